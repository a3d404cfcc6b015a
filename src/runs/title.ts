/** What a chat is called: pure parts of making a title. */
import type { LanguageModelV4Prompt } from "@ai-sdk/provider";

/** The longest title that is made, in characters. */
export const MADE_TITLE_LENGTH = 40;

/** How much of the first message the title model reads, in characters. */
const INPUT_LENGTH = 2_000;

const INSTRUCTION = "Write a title for a conversation that begins with the message below. " +
  `At most ${MADE_TITLE_LENGTH} characters, in the language of the message. ` +
  "No quotes, no colons, no special characters, no emoji. " +
  "Do not answer the message. Reply with the title alone.";

/** What the title model is asked. */
export function titlePrompt(firstMessage: string): LanguageModelV4Prompt {
  return [
    { role: "system", content: INSTRUCTION },
    {
      role: "user",
      content: [{ type: "text", text: firstMessage.slice(0, INPUT_LENGTH).toWellFormed() }],
    },
  ];
}

/** A title out of what a model said; empty where nothing fit is in it. */
export function cleanTitle(said: string): string {
  const line = said
    .replace(/<think>[\s\S]*?(<\/think>|$)/g, "")
    .split("\n")
    .map((text) => text.replace(/^\s*(title|subject)\s*:/i, "").trim())
    .find((text) => /[\p{L}\p{N}]/u.test(text)) ?? "";
  const plain = line
    .replace(/[‘’]/g, "'")
    // An apostrophe inside a word is spelling, anywhere else it is a quote.
    .replace(/(?<![\p{L}\p{N}])'|'(?![\p{L}\p{N}])/gu, "")
    .replace(/[^\p{L}\p{M}\p{N}\s'.,?!()&+/-]/gu, " ")
    .replace(/\s+/g, " ")
    .trim();
  return cutWords(plain, MADE_TITLE_LENGTH).replace(/[\s,.(&+/-]+$/u, "");
}

/** The message's first words, for when no model gives a title. */
export function firstWords(message: string): string {
  return cleanTitle(message.slice(0, INPUT_LENGTH));
}

function cutWords(text: string, length: number): string {
  if (text.length <= length) return text;
  const cut = text.slice(0, length + 1);
  const space = cut.lastIndexOf(" ");
  return (space > length / 2 ? cut.slice(0, space) : text.slice(0, length)).toWellFormed()
    .replace(/\uFFFD$/, "");
}
