import type { LanguageModelV4StreamPart } from "@ai-sdk/provider";

/** What the demo model answers by. */
interface DemoTurn {
  /** The number of the user's message in the chat, from 1. */
  turn: number;
  thinking: boolean;
  inputTokens: number;
}

/**
 * The demo model's answer as the parts of one step. Words in the question call up other kinds of
 * part: "reasoning" (or `thinking: true`), "tool", "source", "file"; "everything" has them all.
 */
export function demoScript(asked: string, turn: DemoTurn): LanguageModelV4StreamPart[] {
  const wants = (word: string) => new RegExp(`\\b(${word}s?|everything)\\b`, "i").test(asked);
  const parts: LanguageModelV4StreamPart[] = [];
  if (turn.thinking || wants("reasoning") || wants("think")) parts.push(...reasoning(asked));
  if (wants("tool")) parts.push(...toolCall(asked, turn.turn));
  parts.push(...text(answer(asked, turn)));
  if (wants("source")) parts.push(SOURCE);
  if (wants("file")) parts.push(FILE);
  const words = (type: "text-delta" | "reasoning-delta") =>
    parts.filter((part) => part.type === type).length;
  const thought = words("reasoning-delta");
  return [
    { type: "stream-start", warnings: [] },
    ...parts,
    {
      type: "finish",
      finishReason: { unified: "stop", raw: "stop" },
      usage: {
        inputTokens: {
          total: turn.inputTokens,
          noCache: turn.inputTokens,
          cacheRead: 0,
          cacheWrite: 0,
        },
        outputTokens: {
          total: words("text-delta") + thought,
          text: words("text-delta"),
          reasoning: thought,
        },
      },
    },
  ];
}

function answer(asked: string, { turn }: DemoTurn): string {
  const said = asked.trim() === "" ? "nothing that I can read" : quote(asked);
  return `I am Parley's built-in **demo model**: no AI, no key, no network. ` +
    `Message ${turn} of this chat said:\n\n${said}\n\n` +
    `What you see is the real thing otherwise:\n\n` +
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

function text(content: string): LanguageModelV4StreamPart[] {
  const deltas = content.match(/\s*\S+\s*$|\s*\S+/g) ?? [];
  return [
    { type: "text-start", id: "text" },
    ...deltas.map((delta) => ({ type: "text-delta" as const, id: "text", delta })),
    { type: "text-end", id: "text" },
  ];
}

function reasoning(asked: string): LanguageModelV4StreamPart[] {
  const thought = `The question has ${asked.length} characters. ` +
    `I have one answer for everything, so I only fill it in.`;
  return [
    { type: "reasoning-start", id: "reasoning" },
    ...thought.match(/\s*\S+/g)!.map((delta) => ({
      type: "reasoning-delta" as const,
      id: "reasoning",
      delta,
    })),
    { type: "reasoning-end", id: "reasoning" },
  ];
}

function toolCall(asked: string, turn: number): LanguageModelV4StreamPart[] {
  const call = { toolCallId: `demo-call-${turn}`, toolName: "count_words" };
  const input = JSON.stringify({ text: asked.slice(0, 200) });
  const pieces = input.match(/[\s\S]{1,24}/g)!;
  return [
    {
      type: "tool-input-start",
      id: call.toolCallId,
      toolName: call.toolName,
      providerExecuted: true,
    },
    ...pieces.map((delta) => ({
      type: "tool-input-delta" as const,
      id: call.toolCallId,
      delta,
    })),
    { type: "tool-input-end", id: call.toolCallId },
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
