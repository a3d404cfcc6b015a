/** Cases of our own: each kind of quirk in other dialects, positions and forms. */
import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { ANSWERS, chat, claude, cut, gemini, NAIVE, refused, stream } from "./dialects.ts";
import type { Played, Variant } from "./run.ts";

/** A case with its check. */
export interface OwnCase extends Omit<Variant, "turns"> {
  name: string;
  provider: string;
  turns?: Variant["turns"];
  check?: (played: Played) => void;
}

const once = ({ asked }: Played) => assertEquals(asked.length, 1);
const noError = ({ told }: Played) => assertEquals(told.flatMap(({ errors }) => errors), []);
const quick = (played: Played) => {
  noError(played);
  once(played);
  assertLessOrEqual(played.told[0]!.took, 3_500);
};
const failsWith = (pattern: RegExp, times: number) => ({ told: [first], asked }: Played) => {
  assert(first!.errors.length > 0, "an error is told");
  assert(pattern.test(first!.errors.join()), first!.errors.join());
  assertEquals(asked.length, times);
};
const types = Object.keys(ANSWERS);

/** Kind 1: bytes are not characters. */
const bytes: OwnCase[] = types.flatMap((provider) =>
  [1, 3].map((size): OwnCase => ({
    name: `bytes by ${size}`,
    provider,
    text: NAIVE,
    replies: [stream(cut(ANSWERS[provider]!, size))],
    check: once,
  }))
);

/** Kind 2: plain HTTP. */
const http: OwnCase[] = types.map((provider) => ({
  name: "a server that reads by Content-Length",
  provider,
  text: "Fine.",
  rules: [{
    unless_header: "content-length",
    reply: refused(411, "Length Required", "text/plain"),
  }],
  check: once,
}));

/** Kind 3: an answer ends when its dialect says so. */
const ends: OwnCase[] = [
  ...types.map((provider): OwnCase => ({
    name: "an answer that is whole, on a connection that stays open",
    provider,
    text: NAIVE,
    replies: [stream(ANSWERS[provider]!, { end: "hang" })],
    check: quick,
  })),
  {
    name: "a reason and a count of tokens without DONE, open",
    provider: "openai-compatible",
    text: "Hello",
    replies: [stream([chat.text("Hello"), chat.finish("stop"), chat.usage], { end: "hang" })],
    check: quick,
  },
  {
    name: "a reason alone, open, with comments for ever",
    provider: "openai-compatible",
    text: "Hello",
    replies: [stream([
      chat.text("Hello"),
      chat.finish("stop"),
      ...Array.from({ length: 20 }, () => [{ sleep: 0.25 }, ": alive\n\n"]).flat(),
    ])],
    check: quick,
  },
  {
    name: "an error behind the end",
    provider: "openai-compatible",
    text: "Hello",
    replies: [stream([...chat.answer("Hello"), 'data: {"error":{"message":"late"}}\n\n'])],
    check: quick,
  },
];

/** Kind 4: a sign of life is not silence. */
const life: OwnCase[] = [
  {
    name: "pings",
    provider: "anthropic",
    text: "Hello",
    replies: [stream([
      claude.start,
      ...Array.from({ length: 6 }, () => [claude.ping, { sleep: 1 }]).flat(),
      claude.text("Hello"),
      claude.finish("end_turn"),
      claude.stop,
    ])],
    check: once,
  },
  {
    name: "empty deltas",
    provider: "openai-compatible",
    text: "Hello",
    replies: [stream([
      ...Array.from({ length: 6 }, () => [chat.delta({ content: "" }), { sleep: 1 }]).flat(),
      ...chat.answer("Hello"),
    ])],
    check: once,
  },
];

/** Kind 5: events without meaning. */
const events: OwnCase[] = [
  {
    name: "an event of an unknown type",
    provider: "anthropic",
    text: "Hello",
    replies: [stream([
      claude.start,
      'event: news\ndata: {"type":"news"}\n\n',
      claude.text("Hello"),
      claude.finish("end_turn"),
      claude.stop,
    ])],
    check: noError,
  },
  {
    name: "candidates that are missing, null or empty",
    provider: "google",
    text: "Hello",
    replies: [stream([
      "data: {}\n\n",
      'data: {"candidates":null}\n\n',
      'data: {"candidates":[{"content":null}]}\n\n',
      'data: {"candidates":[{"content":{"parts":[]}}]}\n\n',
      ...gemini.answer("Hello"),
    ])],
    check: noError,
  },
  {
    name: "numbers as texts, and null in every field",
    provider: "openai-compatible",
    text: "Hello",
    replies: [stream([
      'data: {"choices":[{"index":"0","delta":{"role":null,"content":"Hello","tool_calls":null,' +
      '"refusal":null,"reasoning_content":null,"function_call":null,"audio":null}}]}\n\n',
      chat.finish("stop", { usage: { prompt_tokens: "10", completion_tokens: "5" } }),
      chat.done,
    ])],
    check: noError,
  },
];

/** Kind 6: a 200 that is no stream. */
const JSON_TYPE = { "content-type": "application/json" };
const whole: OwnCase[] = [
  {
    name: "a whole answer",
    provider: "openai-compatible",
    text: "Hello",
    replies: [stream([chat.whole("Hello")], { plain: true, headers: JSON_TYPE })],
    check: once,
  },
  {
    name: "a whole answer under the type of a stream",
    provider: "openai-compatible",
    text: "Hello",
    replies: [stream([chat.whole("Hello")])],
    check: once,
  },
  {
    name: "a stream under the type of JSON",
    provider: "openai-compatible",
    text: "Hello",
    replies: [stream(chat.answer("Hello"), { headers: JSON_TYPE })],
    check: once,
  },
  {
    name: "a page",
    provider: "openai-compatible",
    replies: [stream(["<html><title>Sign in to the proxy</title></html>"], {
      headers: { "content-type": "text/html" },
    })],
    check: failsWith(/Sign in to the proxy/, 1),
  },
  ...["application/x-ndjson", "text/event-stream"].map((type): OwnCase => ({
    name: `lines of JSON as ${type}`,
    provider: "openai-compatible",
    text: "Hello",
    replies: [stream(
      [chat.text("Hel"), chat.text("lo"), chat.finish("stop"), chat.usage].map((event) =>
        event.slice("data: ".length, -1)
      ),
      { headers: { "content-type": type } },
    )],
    check: (played) => {
      noError(played);
      once(played);
      assert(JSON.stringify(played.usage).includes('"output_tokens":5'));
    },
  })),
  {
    name: "lines of JSON of Ollama's own API",
    provider: "openai-compatible",
    text: "Hello",
    replies: [stream(
      [
        { message: { role: "assistant", content: "Hel" }, done: false },
        { message: { role: "assistant", content: "lo" }, done: false },
        {
          message: { role: "assistant", content: "" },
          done: true,
          done_reason: "stop",
          prompt_eval_count: 10,
          eval_count: 5,
        },
      ].map((line) => `${JSON.stringify(line)}\n`),
      {
        headers: { "content-type": "application/x-ndjson" },
      },
    )],
    check: (played) => {
      noError(played);
      assert(JSON.stringify(played.usage).includes('"output_tokens":5'));
    },
  },
  ...["anthropic", "google"].map((provider): OwnCase => ({
    name: "an error as JSON",
    provider,
    replies: [stream(['{"error":{"message":"Unexpected endpoint"}}'], { headers: JSON_TYPE })],
    check: failsWith(/Unexpected endpoint/, 1),
  })),
];

/** Kind 7: the reason reaches the person, and what cannot get better is asked once. */
const reasons: OwnCase[] = [
  ...["anthropic", "google"].map((provider): OwnCase => ({
    name: "a reason in a detail",
    provider,
    replies: [refused(400, '{"detail":"at most 4096 tokens"}')],
    check: failsWith(/at most 4096 tokens/, 1),
  })),
  {
    name: "a quota that is used up (429)",
    provider: "openai-compatible",
    replies: [refused(
      429,
      '{"error":{"message":"You exceeded your current quota","code":"insufficient_quota"}}',
    )],
    check: failsWith(/exceeded your current quota/, 1),
  },
  {
    name: "a prompt that is too long (500)",
    provider: "openai-compatible",
    replies: [refused(500, '{"error":{"message":"the request exceeds the context window"}}')],
    check: failsWith(/exceeds the context window/, 1),
  },
  ...[
    "image input is not supported - hint: you may need to provide the mmproj",
    "failed to process inputs: this model is missing data required for image input",
  ].map((message): OwnCase => ({
    name: `a picture that the model cannot see (500): ${message.slice(0, 20)}`,
    provider: "openai-compatible",
    replies: [refused(500, JSON.stringify({ error: { message, type: "server_error" } }))],
    check: failsWith(/image input/, 1),
  })),
  {
    name: "a model that there is not (404)",
    provider: "openai-compatible",
    replies: [refused(404, '{"error":"model \\"x\\" not found, try pulling it first"}')],
    check: failsWith(/try pulling it first/, 1),
  },
  {
    name: "a rate limit (400)",
    provider: "openai-compatible",
    text: "Fine.",
    replies: [refused(400, '{"error":{"message":"Rate limit reached, try again in 1s"}}')],
    check: noError,
  },
  {
    name: "overloaded in the stream before a word",
    provider: "anthropic",
    text: "Fine.",
    replies: [stream([claude.start, claude.error("overloaded_error", "Overloaded")])],
    check: noError,
  },
];

/** Kind 10: no empty answer without a word of why. */
const empty: OwnCase[] = [
  {
    name: "nothing at all, always",
    provider: "openai-compatible",
    replies: Array.from({ length: 5 }, () => stream(chat.end())),
    check: ({ told: [first], usage }) => {
      assert(/ended without an answer/.test(first!.errors.join()));
      // Each of three requests was counted.
      assert(JSON.stringify(usage).includes('"input_tokens":30'), JSON.stringify(usage));
    },
  },
  {
    name: "blocked by a filter",
    provider: "google",
    replies: Array.from({ length: 5 }, () => stream([gemini.finish("SAFETY")])),
    check: ({ told: [first] }) => assert(first!.errors.length > 0),
  },
  {
    name: "thoughts alone, cut by the limit",
    provider: "openai-compatible",
    replies: Array.from(
      { length: 5 },
      () => stream([chat.delta({ reasoning_content: "Hm" }), ...chat.end("length")]),
    ),
    check: ({ told: [first] }) => assert(first!.finish === "length" || first!.errors.length > 0),
  },
];

/** All of them. */
export const ANSWERING: OwnCase[] = [
  ...bytes,
  ...http,
  ...ends,
  ...life,
  ...events,
  ...whole,
  ...reasons,
  ...empty,
];
