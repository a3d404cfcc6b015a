/** What a chat is called: pure parts of making a title. */
import type { LanguageModelV4Prompt } from "@ai-sdk/provider";

/** The longest title that is made, in characters. */
export const MADE_TITLE_LENGTH = 40;

/** How much of the first message the title model reads, and how much of its answer counts. */
const INPUT_LENGTH = 2_000;
const OUTPUT_LENGTH = 50_000;

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
  const answer = withoutThoughts(said.slice(0, OUTPUT_LENGTH));
  return firstLine((inJson(answer) ?? answer).replace(/^[ \t]*```.*$/gm, ""));
}

/** The message's first words, for when no model gives a title. */
export function firstWords(message: string): string {
  return firstLine(message.slice(0, INPUT_LENGTH));
}

function firstLine(text: string): string {
  const line = text
    .split("\n")
    .map((text) => text.replace(/^\s*(title|subject)\s*:/i, "").trim())
    .find((text) => /[\p{L}\p{N}]/u.test(text)) ?? "";
  const plain = line
    .replace(/[\u2018\u2019]/g, "'")
    // An apostrophe inside a word is spelling, anywhere else it is a quote.
    .replace(/(?<![\p{L}\p{N}])'|'(?![\p{L}\p{N}])/gu, "")
    .replace(/[^\p{L}\p{M}\p{N}\s'.,?!()&+/-]/gu, " ")
    .replace(/\s+/g, " ")
    .trim();
  return cutWords(plain, MADE_TITLE_LENGTH).replace(/[\s,.(&+/-]+$/u, "");
}

/** Some templates open the thinking themselves: then only its end is in the answer. */
function withoutThoughts(said: string): string {
  const end = said.lastIndexOf("</think>");
  return said.slice(end < 0 ? 0 : end + "</think>".length).replace(/<think>[\s\S]*$/, "");
}

/** The first text in an answer that is JSON, whole or not. */
function inJson(answer: string): string | undefined {
  if (!/^\s*(```\w*\s*)?\{/.test(answer)) return undefined;
  const [, text] = /:\s*("(?:[^"\\]|\\.)*")/.exec(answer) ?? [];
  try {
    return text && JSON.parse(text);
  } catch {
    return undefined;
  }
}

function cutWords(text: string, length: number): string {
  if (text.length <= length) return text;
  const cut = text.slice(0, length + 1);
  const space = cut.lastIndexOf(" ");
  return (space > length / 2 ? cut.slice(0, space) : text.slice(0, length)).toWellFormed()
    .replace(/\uFFFD$/, "");
}
