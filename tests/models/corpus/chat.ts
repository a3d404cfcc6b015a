/**
 * Streams as servers of the chat completions dialect send them, written by us after their documentation
 * and bug reports, one event an item; and what a person is told of each.
 */

/** One stream. */
export interface Recorded {
  /** The data of each event; an item that begins with ":" or "event:" is sent as it is. */
  events: string[];
  text?: string;
  reasoning?: string;
  calls?: [name: string, input: unknown][];
  sources?: string[];
  files?: string[];
  finish: string;
  /** Input and output tokens; absent if the server counts none. */
  tokens?: [number, number];
  /** What the error says, if the answer ends in one. */
  error?: RegExp;
}

const delta = (delta: unknown, more: Record<string, unknown> = {}) =>
  JSON.stringify({ id: "c1", choices: [{ index: 0, delta, finish_reason: null, ...more }] });
const end = (finish_reason: string, more: Record<string, unknown> = {}) =>
  JSON.stringify({ choices: [{ index: 0, delta: {}, finish_reason }], ...more });
const usage = { prompt_tokens: 10, completion_tokens: 5, total_tokens: 15 };
const counted = JSON.stringify({ choices: [], usage });
const call = (call: unknown) => delta({ tool_calls: [call] });
const DONE = "[DONE]";

export const CHAT: Record<string, Recorded> = {
  "OpenAI": {
    events: [
      delta({ role: "assistant", content: "", refusal: null }),
      delta({ content: "naïve 修复" }),
      delta({ content: "方法 🌍" }),
      end("stop"),
      counted,
      DONE,
    ],
    text: "naïve 修复方法 🌍",
    finish: "stop",
    tokens: [10, 5],
  },
  "Azure: filters without a choice, and a choice without a delta": {
    events: [
      JSON.stringify({ choices: [], prompt_filter_results: [{ prompt_index: 0 }] }),
      delta({ content: "Hello" }, { content_filter_results: {} }),
      JSON.stringify({ choices: [{ index: 0, finish_reason: null, content_filter_offsets: {} }] }),
      JSON.stringify({ choices: [{ index: 0, finish_reason: "stop", delta: null }] }),
      counted,
      DONE,
    ],
    text: "Hello",
    finish: "stop",
    tokens: [10, 5],
  },
  "OpenRouter: comments, thoughts twice": {
    events: [
      ": OPENROUTER PROCESSING",
      delta({
        content: "",
        reasoning: "Hm",
        reasoning_details: [{ type: "reasoning.text", text: "Hm", format: "x", index: 0 }],
      }),
      ": OPENROUTER PROCESSING",
      delta({ content: "Hello", reasoning: null }),
      end("stop", { usage }),
      DONE,
    ],
    text: "Hello",
    reasoning: "Hm",
    finish: "stop",
    tokens: [10, 5],
  },
  "vLLM: tokens in each event": {
    events: [
      JSON.stringify({
        choices: [{ delta: { reasoning_content: "Hm" } }],
        usage: { prompt_tokens: 10, completion_tokens: 1 },
      }),
      JSON.stringify({
        choices: [{ delta: { content: "Hello" } }],
        usage: { prompt_tokens: 10, completion_tokens: 4 },
      }),
      end("stop", { usage: { prompt_tokens: 10, completion_tokens: 4 } }),
      counted,
      DONE,
    ],
    text: "Hello",
    reasoning: "Hm",
    finish: "stop",
    tokens: [10, 5],
  },
  "llama.cpp: no DONE, tokens as text": {
    events: [
      delta({ role: "assistant", content: null }),
      delta({ content: "Hello" }),
      end("stop", { timings: { predicted_n: 5 } }),
      JSON.stringify({ choices: [], usage: { prompt_tokens: "10", completion_tokens: "5" } }),
    ],
    text: "Hello",
    finish: "stop",
    tokens: [10, 5],
  },
  "Groq: tokens of its own": {
    events: [delta({ content: "Hello" }), end("stop", { x_groq: { id: "r", usage } }), DONE],
    text: "Hello",
    finish: "stop",
    tokens: [10, 5],
  },
  "Together: the text twice, no index": {
    events: [
      JSON.stringify({ choices: [{ text: "Hello", delta: { content: "Hello" } }] }),
      JSON.stringify({ choices: [{ text: "", delta: { content: "" }, finish_reason: "eos" }] }),
      counted,
      DONE,
    ],
    text: "Hello",
    finish: "stop",
    tokens: [10, 5],
  },
  "an older dialect: text without a delta": {
    events: [
      JSON.stringify({ choices: [{ text: "Hel" }] }),
      JSON.stringify({ choices: [{ text: "lo", finish_reason: "" }] }),
      JSON.stringify({ choices: [{ text: "", finish_reason: "length" }], usage }),
      DONE,
    ],
    text: "Hello",
    finish: "length",
    tokens: [10, 5],
  },
  "Mistral: content and thoughts in lists": {
    events: [
      delta({ content: [{ type: "thinking", thinking: [{ type: "text", text: "Hm" }] }] }),
      delta({
        content: [{ type: "text", text: "Hel" }, { type: "reference", reference_ids: [1] }],
      }),
      delta({ content: "lo" }),
      end("stop", { usage }),
      DONE,
    ],
    text: "Hello",
    reasoning: "Hm",
    finish: "stop",
    tokens: [10, 5],
  },
  "DashScope: id and name again as empty texts": {
    events: [
      call({ index: 0, id: "c1", type: "function", function: { name: "look", arguments: "{" } }),
      call({ index: 0, id: "", function: { name: "", arguments: '"city": ' } }),
      call({ index: 0, id: "", function: { name: null, arguments: '"Oslo"}' } }),
      end("tool_calls"),
      counted,
      DONE,
    ],
    calls: [["look", { city: "Oslo" }]],
    finish: "tool-calls",
    tokens: [10, 5],
  },
  "Gemini: calls without an index, whole, with a signature": {
    events: [
      call({
        id: "a",
        function: { name: "look", arguments: '{"n":1}' },
        extra_content: { google: { thought_signature: "s" } },
      }),
      call({ id: "b", function: { name: "look", arguments: '{"n":2}' } }),
      end("stop", { usage }),
      DONE,
    ],
    calls: [["look", { n: 1 }], ["look", { n: 2 }]],
    finish: "tool-calls",
    tokens: [10, 5],
  },
  "calls of one index, with ids of their own": {
    events: [
      call({ index: 0, id: "a", function: { name: "look", arguments: '{"n":1}' } }),
      call({ index: 0, id: "b", function: { name: "look", arguments: '{"n":' } }),
      call({ index: 0, function: { arguments: "2}" } }),
      end("tool_calls"),
      DONE,
    ],
    calls: [["look", { n: 1 }], ["look", { n: 2 }]],
    finish: "tool-calls",
  },
  "calls without ids and without an index": {
    events: [
      call({ function: { name: "look", arguments: { n: 1 } } }),
      call({ function: { name: "go", arguments: '{"n":2}' } }),
      end("tool_calls"),
      DONE,
    ],
    calls: [["look", { n: 1 }], ["go", { n: 2 }]],
    finish: "tool-calls",
  },
  "a call whose arguments come before its name, interleaved with another": {
    events: [
      delta({
        tool_calls: [
          { index: 0, id: "a", function: { arguments: '{"n"' } },
          { index: 1, id: "b", function: { name: "go", arguments: "" } },
        ],
      }),
      call({ index: 0, function: { name: "look", arguments: ":1" } }),
      call({ index: 1, function: { arguments: '{"n":2}' } }),
      call({ index: 0, function: { arguments: "}" } }),
      end("tool_calls"),
      DONE,
    ],
    calls: [["look", { n: 1 }], ["go", { n: 2 }]],
    finish: "tool-calls",
  },
  "a call that is repeated whole at its end": {
    events: [
      call({ index: 0, id: "a", function: { name: "look", arguments: '{"n":' } }),
      call({ index: 0, id: "a", function: { name: "look", arguments: "1}" } }),
      call({ index: 0, id: "a", function: { name: "look", arguments: '{"n":1}' } }),
      end("tool_calls"),
      DONE,
    ],
    calls: [["look", { n: 1 }]],
    finish: "tool-calls",
  },
  "a call of the oldest dialect": {
    events: [
      delta({ function_call: { name: "look", arguments: "" } }),
      delta({ function_call: { arguments: '{"n":1}' } }),
      end("function_call"),
      DONE,
    ],
    calls: [["look", { n: 1 }]],
    finish: "tool-calls",
  },
  "a refusal": {
    events: [
      delta({ content: null, refusal: "I can't " }),
      delta({ content: null, refusal: "help with that." }),
      end("stop"),
      counted,
      DONE,
    ],
    text: "I can't help with that.",
    finish: "content-filter",
    tokens: [10, 5],
  },
  "the whole message once more at the end": {
    events: [
      delta({ content: "Hello" }),
      JSON.stringify({
        choices: [{ message: { role: "assistant", content: "Hello" }, finish_reason: "stop" }],
        usage,
      }),
      DONE,
    ],
    text: "Hello",
    finish: "stop",
    tokens: [10, 5],
  },
  "a message in place of deltas": {
    events: [
      JSON.stringify({
        choices: [{ message: { content: "Hello", reasoning: "Hm" }, finish_reason: "stop" }],
        usage,
      }),
      DONE,
    ],
    text: "Hello",
    reasoning: "Hm",
    finish: "stop",
    tokens: [10, 5],
  },
  "events without meaning": {
    events: [
      "event: ping",
      "{}",
      "null",
      "[]",
      "nonsense",
      JSON.stringify({ choices: null }),
      JSON.stringify({ choices: {} }),
      delta({ content: "Hello", tool_calls: [], reasoning_content: null, function_call: null }),
      delta({ tool_calls: [null, "x", {}], content: false }),
      JSON.stringify({ choices: { index: 0, delta: { content: "!" } }, error: null, usage: null }),
      end("stop", { usage }),
      DONE,
    ],
    text: "Hello!",
    finish: "stop",
    tokens: [10, 5],
  },
  "DONE without a reason": {
    events: [delta({ content: "Hello" }), DONE],
    text: "Hello",
    finish: "stop",
  },
  "a reason that nobody knows": {
    events: [delta({ content: "Hello" }), end("insufficient_system_resource"), DONE],
    text: "Hello",
    finish: "other",
  },
  "pictures": {
    events: [
      delta({
        content: "",
        images: [{ type: "image_url", image_url: { url: "data:image/png;base64,AAAA" } }],
      }),
      end("stop", { usage }),
      DONE,
    ],
    files: ["image/png AAAA"],
    finish: "stop",
    tokens: [10, 5],
  },
  "Perplexity and OpenAI: sources": {
    events: [
      JSON.stringify({
        citations: ["https://a.example/1", "no address"],
        choices: [{ delta: { content: "Hello" } }],
      }),
      JSON.stringify({ citations: ["https://a.example/1"], choices: [] }),
      delta({
        annotations: [{
          type: "url_citation",
          url_citation: { url: "https://b.example/", title: "B" },
        }],
      }),
      end("stop", { usage }),
      DONE,
    ],
    text: "Hello",
    sources: ["https://a.example/1", "https://b.example/"],
    finish: "stop",
    tokens: [10, 5],
  },
  "an error with a choice": {
    events: [
      delta({ content: "The first part" }),
      JSON.stringify({
        error: { code: 502, message: "Provider disconnected" },
        choices: [{ delta: { content: "" }, finish_reason: "error" }],
      }),
      DONE,
    ],
    text: "The first part",
    error: /Provider disconnected/,
    finish: "none",
  },
  "an error event": {
    events: ["event: error", JSON.stringify({ message: "out of memory" })],
    error: /out of memory/,
    finish: "none",
  },
  "vLLM: an error object": {
    events: [JSON.stringify({ object: "error", message: "too long", code: 400 }), DONE],
    error: /too long/,
    finish: "none",
  },
  "FastAPI: a detail": {
    events: [JSON.stringify({ detail: "no such model" })],
    error: /no such model/,
    finish: "none",
  },
  "an error as plain text": {
    events: ["error: the worker died"],
    error: /the worker died/,
    finish: "none",
  },
};
