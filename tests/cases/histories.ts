/** Cases of our own about histories, files and titles: what is asked, rather than what is answered. */
import { assert, assertEquals } from "@std/assert";
import { ANSWERS, chat, refused, stream } from "./dialects.ts";
import type { OwnCase } from "./answers.ts";
import type { Reply } from "./server.ts";

/** Kind 8: a history never bricks a chat: after any failure the next message is answered. */
const bricks: OwnCase[] = [
  ["401", refused(401, '{"error":{"message":"bad key"}}')],
  ["400", refused(400, '{"error":{"message":"no"}}')],
  ["413", refused(413, "too large", "text/plain")],
  ["a stream that breaks", stream([chat.text("Half")])],
  ["an empty answer", stream(chat.end())],
  ["half a call", stream([chat.call("c1", '{"city"')])],
  ["a call that is no JSON", stream([chat.call("c1", "{city: Oslo"), ...chat.end("tool_calls")])],
  ["white space", stream(chat.answer("\n \n"))],
].map(([name, reply]): OwnCase => ({
  name: `the message after ${name}`,
  provider: "openai-compatible",
  turns: [{ tools: true }, { text: "and?", tools: true }],
  replies: [reply as Reply, ...Array.from({ length: 3 }, () => stream(chat.answer("Fine.")))],
  check: ({ told, asked }) => {
    assertEquals(told.at(-1)!.text, "Fine.");
    const { messages } = asked.at(-1)!.body;
    for (const { role, content, tool_calls } of messages) {
      assert((content ?? "").trim?.() !== "" || tool_calls, `${role} says nothing`);
    }
  },
}));

/** Kind 8, of a file: its own message fails, once; the next is asked without it if it has to be. */
const CANNOT_SEE = refused(500, '{"error":{"message":"image input is not supported"}}');
const PICTURE = {
  type: "file",
  mediaType: "image/png",
  url: "data:image/png;base64,iVBORw0KGgo=",
};
const TOO_LONG = refused(400, '{"error":{"message":"the request exceeds the context size"}}');
const unseen: OwnCase[] = [{
  name: "the message after a picture that the model cannot see",
  provider: "openai-compatible",
  turns: [
    { parts: [{ type: "text", text: "What is it?" }, PICTURE] },
    { text: "never mind, say hello" },
    { parts: [{ type: "text", text: "And this?" }, PICTURE] },
  ],
  replies: [CANNOT_SEE, CANNOT_SEE, stream(chat.answer("Hello")), CANNOT_SEE, CANNOT_SEE],
  check: ({ told, asked }) => {
    assertEquals(told.map(({ text }) => text), ["", "Hello", ""]);
    assertEquals(told.map(({ errors }) => errors.length), [1, 0, 1]);
    const seen = asked.map(({ body }) => /image_url/.test(JSON.stringify(body.messages)));
    assertEquals(seen, [true, true, false, true, true]);
  },
}, {
  name: "the message after one that is too long for the model",
  provider: "openai-compatible",
  turns: [{ text: "A long text" }, { text: "Another long text" }, { text: "Hello?" }],
  replies: [TOO_LONG, TOO_LONG, TOO_LONG, TOO_LONG, stream(chat.answer("Hello"))],
  check: ({ told, asked }) => {
    assertEquals(told.map(({ text }) => text), ["", "", "Hello"]);
    assertEquals(told.map(({ errors }) => errors.length), [1, 1, 0]);
    const long = asked.map(({ body }) => JSON.stringify(body).match(/long text/g)?.length ?? 0);
    assertEquals(long, [1, 2, 1, 2, 0]);
  },
}];

/** Kind 9: what a provider wants back goes back, in the field that it came in, to it alone. */
const SAID = { content: null, reasoning: "I look." };
const back: OwnCase[] = [{
  name: "thoughts beside a call, to their model and to another",
  provider: "openai-compatible",
  turns: [
    { tools: true },
    { back: { "*": "cold" }, tools: true },
    { text: "and?", tools: true, other_model: "other", other_provider: "openai-compatible" },
  ],
  replies: [stream([
    chat.delta(SAID),
    chat.call("functions.get_weather:0", '{"city":"Oslo"}'),
    ...chat.end("tool_calls"),
  ])],
  check: ({ asked }) => {
    const calls = asked.slice(1).map(({ body }) =>
      // deno-lint-ignore no-explicit-any -- as sent
      body.messages.find((message: any) => message.tool_calls)
    );
    assertEquals(calls.map(({ reasoning }) => reasoning), ["I look.", undefined]);
    const ids = calls.map(({ tool_calls }) => tool_calls[0].id);
    assertEquals(ids, ["functions.get_weather:0", "functions_get_weather_0"]);
  },
}];

/** Kind 12: titles are titles. */
const titles: OwnCase[] = [
  ['{"title": "Greeting the team"}', "JSON"],
  ['```json\n{"title": "Greeting the team"}\n```', "JSON in a fence"],
  ["```\nGreeting the team\n```", "a fence"],
  ["<think>Hm.</think>\n\n**Greeting the team**", "thoughts and stars"],
  ['Title: "Greeting the team"', "a label and quotes"],
].map(([said, name]): OwnCase => ({
  name: `a title: ${name}`,
  provider: "openai-compatible",
  title: "Greeting the team",
  turns: [{ text: "Say hello to the team" }],
  title_replies: [stream(chat.answer(said!))],
}));

/** Kind 13: files as browsers send them that do not know their type, or know it wrongly. */
const base64 = btoa("# Notes");
const files: OwnCase[] = ["openai-compatible", "anthropic"].flatMap((provider) =>
  [
    ["no type", "", `data:application/octet-stream;base64,${base64}`],
    ["no type, in the URL either", "", `data:;base64,${base64}`],
    ["the type of any bytes", "application/octet-stream", `data:;base64,${base64}`],
    ["a film, in TypeScript", "video/mp2t", `data:video/mp2t;base64,${base64}`],
    ["a table of another program", "application/vnd.ms-excel", `data:;base64,${base64}`],
    ["nothing in it", "text/plain", "data:"],
  ].map(([name, mediaType, url]): OwnCase => ({
    name: `a file: ${name}`,
    provider,
    turns: [{
      parts: [{ type: "text", text: "Look" }, { type: "file", filename: "a.md", mediaType, url }],
    }],
    check: ({ told, asked: [request] }) => {
      assertEquals(told[0]!.text, "Fine.");
      const sent = JSON.stringify(request!.body.messages);
      assert(sent.includes(url === "data:" ? "is empty" : "# Notes"), sent);
    },
  }))
);

/** Kind 15: estimates are of tokens. */
const estimates: OwnCase[] = ["openai-compatible", "anthropic"].map((provider) => ({
  name: "a large picture, and a stop",
  provider,
  turns: [{
    parts: [
      { type: "text", text: "What is it?" },
      {
        type: "file",
        mediaType: "image/png",
        url: `data:image/png;base64,${"iVBORw0KGgoAAAAN".padEnd(400_000, "A")}`,
      },
    ],
    stop_after: 0.8,
  }],
  replies: [stream(ANSWERS[provider]!.slice(0, provider === "anthropic" ? 2 : 1), { end: "hang" })],
  check: ({ usage }) => {
    const [tokens] = JSON.stringify(usage).match(/(?<="input_tokens":)\d+/g) ?? [];
    assert(Number(tokens) >= 1_000 && Number(tokens) < 1_100, tokens);
  },
}));

/** All of them. */
export const HISTORIES: OwnCase[] = [
  ...bricks,
  ...unseen,
  ...back,
  ...titles,
  ...files,
  ...estimates,
];
