/** Streams as Anthropic, Google and OpenAI's Responses API send them, written by us after their documentation. */
import type { ProviderType } from "../../../src/domain/provider.ts";
import type { Recorded } from "./chat.ts";

/** One stream of another dialect. */
export interface RecordedOther extends Recorded {
  type: ProviderType;
}

const json = (value: unknown) => JSON.stringify(value);
/** An event with its name in a line of its own, as Anthropic and OpenAI send it. */
const named = (type: string, more: object = {}) => [`event: ${type}`, json({ type, ...more })];

const message = {
  id: "msg_1",
  type: "message",
  role: "assistant",
  model: "m",
  content: [],
  stop_reason: null,
  stop_sequence: null,
  usage: { input_tokens: 10, output_tokens: 1 },
};
const block = (index: number, content_block: object, ...deltas: object[]) => [
  ...named("content_block_start", { index, content_block }),
  ...deltas.flatMap((delta) => named("content_block_delta", { index, delta })),
  ...named("content_block_stop", { index }),
];
const claudeEnd = (stop_reason: string) => [
  ...named("message_delta", {
    delta: { stop_reason, stop_sequence: null },
    usage: { output_tokens: 5 },
  }),
  ...named("message_stop"),
];

const gemini = (parts: object[], more: object = {}) =>
  json({ candidates: [{ content: { parts, role: "model" }, index: 0, ...more }] });
const geminiEnd = json({
  candidates: [{ content: { parts: [{ text: "" }], role: "model" }, finishReason: "STOP" }],
  usageMetadata: { promptTokenCount: 10, candidatesTokenCount: 5, totalTokenCount: 15 },
});

const response = { id: "resp_1", created_at: 1, model: "m", output: [] };
const item = (output_index: number, before: object, deltas: string[][], after: object) => [
  ...named("response.output_item.added", { output_index, item: before }),
  ...deltas.flat(),
  ...named("response.output_item.done", { output_index, item: after }),
];
const said = (delta: string) =>
  named("response.output_text.delta", { item_id: "i0", output_index: 0, content_index: 0, delta });
const answer = {
  type: "message",
  id: "i0",
  role: "assistant",
  status: "completed",
  content: [{ type: "output_text", text: "naïve 🌍", annotations: [] }],
};

/** All of them. */
export const OTHERS: Record<string, RecordedOther> = {
  "Claude: thoughts, a text, a call, pings and news": {
    type: "anthropic",
    events: [
      ...named("message_start", { message }),
      ...named("ping"),
      ...block(0, { type: "thinking", thinking: "", signature: "" }, {
        type: "thinking_delta",
        thinking: "Hm…",
      }, { type: "signature_delta", signature: "sig" }),
      ...named("news_of_tomorrow", { value: null }),
      ...block(1, { type: "text", text: "" }, { type: "text_delta", text: "naïve " }, {
        type: "text_delta",
        text: "修复 🌍",
      }),
      ...block(
        2,
        { type: "tool_use", id: "toolu_1", name: "get_weather", input: {} },
        {
          type: "input_json_delta",
          partial_json: "",
        },
        { type: "input_json_delta", partial_json: '{"city":' },
        {
          type: "input_json_delta",
          partial_json: '"Ålesund"}',
        },
      ),
      ...claudeEnd("tool_use"),
    ],
    text: "naïve 修复 🌍",
    reasoning: "Hm…",
    calls: [["get_weather", { city: "Ålesund" }]],
    finish: "tool-calls",
    tokens: [10, 5],
  },
  "Claude: the limit": {
    type: "anthropic",
    events: [
      ...named("message_start", { message }),
      ...block(0, { type: "text", text: "" }, { type: "text_delta", text: "Half" }),
      ...claudeEnd("max_tokens"),
    ],
    text: "Half",
    finish: "length",
    tokens: [10, 5],
  },
  "Gemini: thoughts, texts, a call, and chunks without candidates": {
    type: "google",
    events: [
      json({ usageMetadata: { promptTokenCount: 10 } }),
      gemini([{ text: "Hm…", thought: true }]),
      gemini([{ text: "naïve " }]),
      json({ candidates: null }),
      gemini([{ text: "修复 🌍" }]),
      gemini([{ functionCall: { name: "get_weather", args: { city: "Ålesund" } } }]),
      geminiEnd,
    ],
    text: "naïve 修复 🌍",
    reasoning: "Hm…",
    calls: [["get_weather", { city: "Ålesund" }]],
    finish: "tool-calls",
    tokens: [10, 5],
  },
  "The Responses API: a text, a call, and an event of another time": {
    type: "openai",
    events: [
      ...named("response.created", { response }),
      ...named("response.in_progress", { response }),
      ...item(
        0,
        { ...answer, status: "in_progress", content: [] },
        [said("naïve "), named("response.news", { value: 1 }), said("🌍")],
        answer,
      ),
      ...item(
        1,
        { type: "function_call", id: "i1", call_id: "call_1", name: "get_weather", arguments: "" },
        [named("response.function_call_arguments.delta", {
          item_id: "i1",
          output_index: 1,
          delta: '{"city":"Ålesund"}',
        })],
        {
          type: "function_call",
          id: "i1",
          call_id: "call_1",
          name: "get_weather",
          arguments: '{"city":"Ålesund"}',
          status: "completed",
        },
      ),
      ...named("response.completed", {
        response: { ...response, usage: { input_tokens: 10, output_tokens: 5 } },
      }),
    ],
    text: "naïve 🌍",
    calls: [["get_weather", { city: "Ålesund" }]],
    finish: "tool-calls",
    tokens: [10, 5],
  },
};
