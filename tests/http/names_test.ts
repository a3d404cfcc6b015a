/** Names that SQLite would not give back as they are are refused; contents come back exactly. */
import { assert, assertEquals } from "@std/assert";
import { startRemoteDatabase } from "../kit/remote_database.ts";
import { request } from "../kit/request.ts";
import { MODELS, startScripted } from "../kit/scripted.ts";
import type { AskOptions } from "../kit/ask.ts";
import { startParley } from "../kit/parley.ts";

/** Names that are none: SQLite ends a text at NUL, and UTF-8 has no half of a pair. */
const BAD = ["a\u0000b", "\ud800", "a\udc00", "a\nb", "a\u001b[31m", "a\u007f", "a\u0085b"];

const text = { type: "text", text: "Hello" };
const user = { role: "user", parts: [text] };
const call = {
  type: "dynamic-tool",
  toolName: "t",
  state: "output-available",
  input: {},
  output: 1,
};

/** Where a name stands in a message, with the field that must be told. */
const IN_MESSAGES: Record<string, (name: string) => { body: object; field: string }> = {
  "a message's id": (id) => ({ body: { message: { ...user, id } }, field: "message.id" }),
  "the model": (model) => ({ body: { message: user, model }, field: "model" }),
  "the trigger": (trigger) => ({ body: { message: user, trigger }, field: "trigger" }),
  "a tool": (name) => ({ body: { message: user, tools: [{ name }] }, field: "tools.0.name" }),
  "a type of data": (name) => ({
    body: { message: { ...user, parts: [text, { type: `data-${name}` }] } },
    field: "message.parts.1",
  }),
  "a media type": (name) => ({
    body: {
      message: {
        ...user,
        parts: [text, { type: "file", mediaType: `image/${name}`, url: "https://a.example/" }],
      },
    },
    field: "message.parts.1.mediaType",
  }),
  "a file's name": (filename) => ({
    body: {
      message: {
        ...user,
        parts: [text, {
          type: "file",
          mediaType: "image/png",
          url: "https://a.example/",
          filename,
        }],
      },
    },
    field: "message.parts.1.filename",
  }),
  "an attachment's name": (name) => ({
    body: {
      message: {
        role: "user",
        content: "x",
        experimental_attachments: [{ name, url: "https://a.example/" }],
      },
    },
    field: "message.experimental_attachments.0.name",
  }),
  "a call's id": (toolCallId) => ({
    body: { message: { id: "x", role: "assistant", parts: [{ ...call, toolCallId }] } },
    field: "message.parts.0.toolCallId",
  }),
  "a call's id of AI SDK 4": (toolCallId) => ({
    body: {
      message: {
        id: "x",
        role: "assistant",
        parts: [{
          type: "tool-invocation",
          toolInvocation: { ...call, toolCallId, state: "result" },
        }],
      },
    },
    field: "message.parts.0.toolInvocation.toolCallId",
  }),
  "a call's tool": (toolName) => ({
    body: {
      message: { id: "x", role: "assistant", parts: [{ ...call, toolCallId: "c", toolName }] },
    },
    field: "message.parts.0.toolName",
  }),
};

/** The rest: method and path below the chat, what is sent, and the field. */
const ELSEWHERE: [
  method: string,
  path: string,
  body: ((name: string) => object) | undefined,
  field: string,
][] = [
  ["POST", "/../", (title) => ({ title }), "title"],
  ["PATCH", "", (title) => ({ title }), "title"],
  ["PATCH", "", (branch) => ({ branch }), "branch"],
  ["POST", "/fork", (message_id) => ({ message_id }), "message_id"],
  ["POST", "/fork", (title) => ({ title }), "title"],
  ["POST", "/stop", (run_id) => ({ run_id }), "run_id"],
  ["GET", "/files/:name", undefined, "file"],
  ["DELETE", "/queue/:name", undefined, "run"],
  ["GET", "/messages?branch=:name", undefined, "branch"],
  ["GET", "/messages?before=:name", undefined, "before"],
  ["GET", "/messages?chatId=:name", undefined, "chatId"],
  ["GET", "/stream?run=:name", undefined, "run"],
  ["GET", "/stream?after=:name", undefined, "after"],
];

Deno.test("a name that is not well-formed, or has control characters, is refused by its field", async () => {
  await using server = await startParley();
  const chat = await server.newChat();
  const ask = async (
    what: string,
    field: string,
    method: string,
    path: string,
    options: AskOptions,
  ) => {
    const response = await request(server, method, path, options);
    const { validations } = await response.json();
    assertEquals([response.status, validations?.[0]?.field], [400, field], what);
  };
  for (const name of [...BAD, "x".repeat(10_001)]) {
    for (const [what, make] of Object.entries(IN_MESSAGES)) {
      const { body, field } = make(name);
      const options = { body: { model: "demo", ...body } };
      await ask(
        `${what} ${JSON.stringify(name.slice(0, 9))}`,
        field,
        "POST",
        `/api/v2/chats/${chat}/messages`,
        options,
      );
    }
    // A URL has no half of a pair.
    const inPath = encodeURIComponent(name.toWellFormed());
    for (const [method, path, body, field] of ELSEWHERE) {
      const real = path === "/../"
        ? "/api/v2/chats"
        : `/api/v2/chats/${chat}${path.replace(":name", inPath)}`;
      if (body === undefined && !name.isWellFormed() && path.includes("chatId")) continue;
      await ask(
        `${method} ${path} ${JSON.stringify(name.slice(0, 9))}`,
        field,
        method,
        real,
        body ? { body: body(name) } : {},
      );
    }
  }
  const { length } = await (await request(server, "GET", "/api/v2/chats")).json();
  assertEquals(length, 1);
});

const ODD = "a\u0000b \ud800 c \udc00\udfff \u001b[0m 😀 \u2028 é";

for (const where of ["a file", "a remote database"]) {
  Deno.test(`contents come back exactly as they were sent (${where})`, async () => {
    await using stack = new AsyncDisposableStack();
    const db = where === "a file" ? undefined : stack.use(await startRemoteDatabase());
    const scripted = stack.use(
      await startScripted({
        env: db?.env ?? {},
        script: [{ steps: [{ text: ODD.toWellFormed() }] }],
      }),
    );
    const chat = await scripted.chat();
    const parts = [{ type: "text", text: ODD }, { type: "data-odd", data: { [ODD]: ODD } }];
    const metadata = { [ODD]: [ODD] };
    const message = { id: "m", role: "user", parts, metadata };
    const sent = await scripted.send(chat, "", { message, model: MODELS.compatible });
    await sent.text();
    const history = await scripted.server.ask("GET", `/api/v2/chats/${chat}/messages?protocol=ui`);
    const [question, answer] = await history.json();
    assertEquals(question.parts, parts);
    assertEquals(question.metadata, metadata);
    assertEquals(answer.parts.at(-1).text, ODD.toWellFormed());
    const [asked] = scripted.provider.requests;
    // Strict servers refuse half of a pair.
    const told = JSON.stringify(ODD.toWellFormed()).slice(1, -1);
    assert(JSON.stringify(asked!.body).includes(told));
    // The same again is the same message: another answer to it, and no edit.
    await (await scripted.send(chat, "", { message, model: MODELS.compatible })).text();
    const after =
      await (await scripted.server.ask("GET", `/api/v2/chats/${chat}/messages?protocol=ui`)).json();
    assertEquals(after.length, 2);
    assertEquals(after[0].metadata, metadata);
  });
}

Deno.test("a file's name is cleaned, and cut between characters", async () => {
  await using server = await startParley();
  const chat = await server.newChat();
  const name = `${"x".repeat(199)}😀.png`;
  for (
    const [given, kept] of [[name, `${"x".repeat(199)}\ufffd`], [
      'a/b\\c\u0085\u0000d".txt',
      "cd.txt",
    ], ["../..", ".."]]
  ) {
    const path = `/api/v2/chats/${chat}/files?filename=${encodeURIComponent(given!)}`;
    const response = await request(server, "POST", path, {
      body: "hello",
      headers: { "content-type": "text/plain" },
    });
    const { url, filename } = await response.json();
    assertEquals([response.status, filename], [201, kept]);
    assertEquals((await request(server, "GET", url)).status, 200);
  }
});

Deno.test("an error repeats only the beginning of a long name", async () => {
  await using server = await startParley();
  const chat = await server.newChat();
  const name = "x".repeat(100_000);
  let deep: unknown = 1;
  for (let at = 0; at < 70; at++) deep = { [name]: deep };
  const text = { type: "text", text: "Hello" };
  const messages = [
    { role: "user", parts: [{ ...text, providerMetadata: { [name]: 1 } }] },
    { role: "user", content: "x", metadata: deep },
  ];
  for (const message of messages) {
    const path = `/api/v2/chats/${chat}/messages`;
    const response = await request(server, "POST", path, { body: { message, model: "demo" } });
    assertEquals(response.status, 400);
    assert((await response.text()).length < 3_000);
  }
});
