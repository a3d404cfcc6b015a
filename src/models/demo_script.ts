import type { LanguageModelV4Prompt, LanguageModelV4StreamPart } from "@ai-sdk/provider";
import { estimateTokens } from "../domain/usage.ts";

/**
 * The demo model's answer as the parts of one step. Words in the question add other kinds of part:
 * "reasoning" (or `thinking`), "tool", "source", "file"; "everything" adds them all.
 */
export function demoScript(
  prompt: LanguageModelV4Prompt,
  thinking: boolean,
): LanguageModelV4StreamPart[] {
  const users = prompt.filter(({ role }) => role === "user");
  const asked = textOf(users.at(-1));
  const wants = (word: string) => new RegExp(`\\b(${word}s?|everything)\\b`, "i").test(asked);
  const parts: LanguageModelV4StreamPart[] = [];
  if (thinking || wants("reasoning") || wants("think")) {
    parts.push(...words("reasoning", thought(asked)));
  }
  if (wants("tool")) parts.push(...toolCall(asked, users.length));
  parts.push(...words("text", answer(asked, users.length)));
  if (wants("source")) parts.push(SOURCE);
  if (wants("file")) parts.push(FILE);
  return [
    { type: "stream-start", warnings: [] },
    ...parts,
    { type: "finish", finishReason: { unified: "stop", raw: "stop" }, usage: usage(prompt, parts) },
  ];
}

function textOf(message: LanguageModelV4Prompt[number] | undefined): string {
  if (typeof message?.content === "string") return message.content;
  return message?.content.map((part) => part.type === "text" ? part.text : "").join("") ?? "";
}

/** Counts a word of the answer as a token, and estimates the prompt: it may be long. */
function usage(prompt: LanguageModelV4Prompt, parts: LanguageModelV4StreamPart[]) {
  const input = estimateTokens(prompt.reduce((sum, message) => sum + textOf(message).length, 0));
  const text = parts.filter(({ type }) => type === "text-delta").length;
  const reasoning = parts.filter(({ type }) => type === "reasoning-delta").length;
  return {
    inputTokens: { total: input, noCache: input, cacheRead: 0, cacheWrite: 0 },
    outputTokens: { total: text + reasoning, text, reasoning },
  };
}

function answer(asked: string, turn: number): string {
  const said = asked.trim() === "" ? "nothing that I can read" : quote(asked);
  return `I am Parley's built-in **demo model**: no AI, no key, no network. ` +
    `Message ${turn} of this chat said:\n\n${said}\n\n` +
    `Apart from that, everything you see is real:\n\n` +
    `1. your message was stored before I began,\n` +
    `2. each word is stored before it is sent,\n` +
    `3. the whole answer stays in the chat.\n\n` +
    `Ask for a *tool*, for *reasoning*, a *source*, a *file* or *everything* to see those parts. ` +
    `For a real model, set \`OPENAI_API_KEY\`, \`ANTHROPIC_API_KEY\` or \`GOOGLE_API_KEY\` ` +
    `and start Parley again.\n`;
}

function quote(asked: string): string {
  const lines = asked.trim().slice(0, 500).split("\n");
  return lines.map((line) => `> ${line}`).join("\n");
}

function thought(asked: string): string {
  return `The question has ${asked.length} characters. ` +
    `I have one answer for everything, so I only fill it in.`;
}

/** A block with a delta for each word. */
function words(kind: "text" | "reasoning", content: string): LanguageModelV4StreamPart[] {
  const deltas = content.match(/\s*\S+\s*$|\s*\S+/g) ?? [];
  return [
    { type: `${kind}-start`, id: kind },
    ...deltas.map((delta) => ({ type: `${kind}-delta` as const, id: kind, delta })),
    { type: `${kind}-end`, id: kind },
  ];
}

function toolCall(asked: string, turn: number): LanguageModelV4StreamPart[] {
  const id = `demo-call-${turn}`;
  const call = { toolCallId: id, toolName: "count_words" };
  const input = JSON.stringify({ text: asked.slice(0, 200) });
  const deltas = input.match(/[\s\S]{1,24}/g)!;
  return [
    { type: "tool-input-start", id, toolName: call.toolName, providerExecuted: true },
    ...deltas.map((delta) => ({ type: "tool-input-delta" as const, id, delta })),
    { type: "tool-input-end", id },
    { type: "tool-call", ...call, input, providerExecuted: true },
    { type: "tool-result", ...call, result: { words: asked.match(/\S+/g)?.length ?? 0 } },
  ];
}

const SOURCE: LanguageModelV4StreamPart = {
  type: "source",
  sourceType: "url",
  id: "demo-source-1",
  url: "https://example.com/parley",
  title: "An example of a source",
};

/** A transparent pixel. */
const FILE: LanguageModelV4StreamPart = {
  type: "file",
  mediaType: "image/png",
  data: {
    type: "data",
    data:
      "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==",
  },
};
