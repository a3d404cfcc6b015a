/** Kind 5 in the dialects that the AI SDK reads: what real servers and gateways send nearly right. */
import { assertEquals } from "@std/assert";
import type { OwnCase } from "./answers.ts";
import { chat, claude, gemini, stream } from "./dialects.ts";

const data = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`;
const event = (type: string, more: object = {}) => data({ type, ...more });
const { text, finish, start, stop } = claude;
const begin = (more: object) =>
  event("message_start", {
    message: { id: "m", type: "message", role: "assistant", model: "m", content: [], ...more },
  });
const block = (content_block: object) => event("content_block_start", { index: 0, content_block });
const hello = event("content_block_delta", {
  index: 0,
  delta: { type: "text_delta", text: "Hello" },
});
const closed = event("content_block_stop", { index: 0 });
const end = [finish("end_turn"), stop];
const delta = (more: object) =>
  event("message_delta", { delta: { stop_reason: "end_turn" }, ...more });

const CLAUDE: Record<string, string[]> = {
  "a beginning without usage": [begin({}), text("Hello"), ...end],
  "counts as texts": [
    begin({ usage: { input_tokens: "10", output_tokens: "1" } }),
    text("Hello"),
    ...end,
  ],
  "no beginning": [text("Hello"), ...end],
  "an end whose usage is null": [start, text("Hello"), delta({ usage: null }), stop],
  "an end without usage": [start, text("Hello"), delta({}), stop],
  "a block without text": [start, block({ type: "text" }), hello, closed, ...end],
  "a text in the beginning of its block": [
    start,
    block({ type: "text", text: "Hello" }),
    closed,
    ...end,
  ],
  "no beginning of a block": [start, hello, ...end],
  "no end of a block": [start, block({ type: "text", text: "" }), hello, ...end],
  "no last word": [start, text("Hello"), finish("end_turn")],
  "the last word of another dialect": [start, text("Hello"), ...end, "data: [DONE]\n\n"],
  "events of nothing": [start, "event: ping\ndata:\n\n", "data: \n\n", text("Hello"), ...end],
};

const candidate = (more: object) => data({ candidates: [more] });
const GEMINI: Record<string, string[]> = {
  "a part that is null": [
    candidate({ content: { parts: [null, { text: "Hello" }] } }),
    gemini.finish("STOP"),
  ],
  "a reason in small letters": [gemini.part({ text: "Hello" }), gemini.finish("stop")],
  "counts as texts": [
    gemini.part({ text: "Hello" }),
    data({
      candidates: [{ finishReason: "STOP" }],
      usageMetadata: { promptTokenCount: "10", candidatesTokenCount: null },
    }),
  ],
  "an index as a text": [
    candidate({ index: "0", content: { parts: [{ text: "Hello" }] } }),
    gemini.finish("STOP"),
  ],
};

const answers = (provider: string, forms: Record<string, string[]>): OwnCase[] =>
  Object.entries(forms).map(([name, chunks]) => ({
    name,
    provider,
    text: "Hello",
    replies: [stream(chunks)],
    check: ({ told: [first], asked, usage }) => {
      assertEquals([first!.errors, first!.finish !== "error", asked.length], [[], true, 1]);
      const counts = JSON.stringify(usage).match(/(?<="(in|out)put_tokens":)\d+/g)?.map(Number);
      assertEquals(counts?.every((count) => count > 0), true, "tokens are counted or estimated");
    },
  }));

/** All of them. */
export const NEAR: OwnCase[] = [
  ...answers("anthropic", CLAUDE),
  ...answers("google", GEMINI),
  ...answers("openai-compatible", {
    "a legacy text": [data({ choices: [{ index: 0, text: "Hello" }] }), ...chat.end()],
    "more choices than one": [
      data({ choices: [{ delta: { content: "Hello" } }, { index: 1, delta: { content: "Hi" } }] }),
      ...chat.end(),
    ],
  }),
  {
    name: "an error in a choice",
    provider: "openai-compatible",
    says: "GPU on fire",
    replies: Array.from({ length: 5 }, () =>
      stream([
        data({
          choices: [{ delta: {}, finish_reason: "error", error: { message: "GPU on fire" } }],
        }),
      ])),
  },
];
