import type { LanguageModelV4Prompt, LanguageModelV4StreamPart } from "@ai-sdk/provider";
import { estimateTokens } from "../domain/usage.ts";

/** The tools of the demo: the second needs an approval. */
const COUNT_WORDS = "demo__count_words";
const SEND_POSTCARD = "demo__send_postcard";

/**
 * The demo model's answer as the parts of one step. Words in the question add other kinds of part:
 * "reasoning" (or `thinking`), "tool", "approval", "source", "file"; "everything" adds all but the
 * approval. A call of a tool that is offered ends the step: with its result, the answer goes on.
 */
export function demoScript(
  prompt: LanguageModelV4Prompt,
  thinking: boolean,
  offered: ReadonlySet<string>,
): LanguageModelV4StreamPart[] {
  const users = prompt.filter(({ role }) => role === "user");
  const asked = textOf(users.at(-1));
  const wants = (word: string) => new RegExp(`\\b(${word}s?|everything)\\b`, "i").test(asked);
  const isAnswered = prompt.at(-1)?.role === "tool";
  const parts: LanguageModelV4StreamPart[] = [];
  if (!isAnswered && (thinking || wants("reasoning") || wants("think"))) {
    parts.push(...words("reasoning", thought(asked)));
  }
  const calls = isAnswered ? [] : [
    ...(wants("tool") && offered.has(COUNT_WORDS) ? [COUNT_WORDS] : []),
    ...(/\bapprovals?\b/i.test(asked) && offered.has(SEND_POSTCARD) ? [SEND_POSTCARD] : []),
  ];
  parts.push(...calls.flatMap((tool) => toolCall(tool, asked, users.length)));
  if (calls.length === 0) {
    parts.push(...words("text", answer(asked, users.length)));
    if (wants("source")) parts.push(SOURCE);
    if (wants("file")) parts.push(FILE);
  }
  const reason = calls.length > 0 ? "tool-calls" as const : "stop" as const;
  return [
    { type: "stream-start", warnings: [] },
    ...parts,
    { type: "finish", finishReason: { unified: reason, raw: reason }, usage: usage(prompt, parts) },
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
    `Ask for a *tool*, an *approval*, for *reasoning*, a *source*, a *file* or *everything* to see ` +
    `those parts. ` +
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

function toolCall(tool: string, asked: string, turn: number): LanguageModelV4StreamPart[] {
  const id = `${tool}-${turn}`;
  const input = JSON.stringify({ text: asked.slice(0, 200) });
  const deltas = input.match(/[\s\S]{1,24}/g)!;
  return [
    { type: "tool-input-start", id, toolName: tool },
    ...deltas.map((delta) => ({ type: "tool-input-delta" as const, id, delta })),
    { type: "tool-input-end", id },
    { type: "tool-call", toolCallId: id, toolName: tool, input },
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
