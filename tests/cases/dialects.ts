/** Builds what providers send, for cases of our own. */
import type { Chunk, Reply } from "./server.ts";

const data = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`;
const event = (type: string, more: object = {}) => `event: ${type}\n${data({ type, ...more })}`;

/** Events of OpenAI's chat completions. */
export const chat = {
  delta: (delta: object) => data({ choices: [{ index: 0, delta, finish_reason: null }] }),
  text: (content: string) => chat.delta({ content }),
  call: (id: string, args: string, name = "get_weather") =>
    chat.delta({ tool_calls: [{ index: 0, id, function: { name, arguments: args } }] }),
  finish: (finish_reason: string, more: object = {}) =>
    data({ choices: [{ index: 0, delta: {}, finish_reason }], ...more }),
  usage: data({ choices: [], usage: { prompt_tokens: 10, completion_tokens: 5 } }),
  done: "data: [DONE]\n\n",
  /** How an answer ends that has a text. */
  end: (reason = "stop") => [chat.finish(reason), chat.usage, chat.done],
  answer: (text: string): Chunk[] => [chat.text(text), ...chat.end()],
  whole: (text: string) =>
    JSON.stringify({
      choices: [{ index: 0, message: { role: "assistant", content: text }, finish_reason: "stop" }],
      usage: { prompt_tokens: 10, completion_tokens: 5 },
    }),
};

/** Events of Anthropic's messages. */
export const claude = {
  start: event("message_start", {
    message: {
      id: "m",
      type: "message",
      role: "assistant",
      model: "m",
      content: [],
      usage: { input_tokens: 10, output_tokens: 1 },
    },
  }),
  text: (text: string, index = 0) =>
    event("content_block_start", { index, content_block: { type: "text", text: "" } }) +
    event("content_block_delta", { index, delta: { type: "text_delta", text } }) +
    event("content_block_stop", { index }),
  ping: event("ping"),
  finish: (stop_reason: string) =>
    event("message_delta", { delta: { stop_reason }, usage: { output_tokens: 5 } }),
  stop: event("message_stop"),
  answer: (text: string): Chunk[] => [
    claude.start,
    claude.text(text),
    claude.finish("end_turn"),
    claude.stop,
  ],
  error: (type: string, message: string) => event("error", { error: { type, message } }),
};

/** Events of Google's Gemini. */
export const gemini = {
  part: (part: object, more: object = {}) =>
    data({ candidates: [{ content: { role: "model", parts: [part] }, ...more }] }),
  finish: (finishReason: string) =>
    data({
      candidates: [{ finishReason }],
      usageMetadata: { promptTokenCount: 10, candidatesTokenCount: 5 },
    }),
  answer: (text: string): Chunk[] => [gemini.part({ text }), gemini.finish("STOP")],
};

/** A refusal with a body of that type. */
export function refused(status: number, body: string, type = "application/json"): Reply {
  return { status, headers: { "content-type": type }, plain: true, chunks: [body] };
}

/** A text as chunks of `size` bytes. */
export function cut(chunks: Chunk[], size: number): Chunk[] {
  const texts = chunks.map((chunk) => typeof chunk === "string" ? chunk : "").join("");
  const bytes = new TextEncoder().encode(texts);
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) => ({
    hex: bytes.slice(at * size, (at + 1) * size).toHex(),
  }));
}

/** A response that is a stream of these. */
export const stream = (chunks: Chunk[], more: Partial<Reply> = {}): Reply => ({ chunks, ...more });

/** A text of characters of one to four bytes, and its answer by type of provider. */
export const NAIVE = "naïve 修复方法 🌍";
export const ANSWERS: Record<string, Chunk[]> = {
  "openai-compatible": chat.answer(NAIVE),
  anthropic: claude.answer(NAIVE),
  google: gemini.answer(NAIVE),
};
