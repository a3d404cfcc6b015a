/** Requests that must be refused: with the status, in Coder's shape, and nothing stored. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { AskOptions } from "../kit/ask.ts";
import { startParley, type TestServer } from "../kit/parley.ts";
import { request } from "../kit/request.ts";

interface Scenario {
  name: string;
  method?: string;
  /** `:chat` is an own chat's id, `:other` another user's. */
  path: string;
  options?: AskOptions;
  status: number;
  /** Texts that the body must have. */
  has?: string[];
  /** A response header that must be there, with that text in it. */
  header?: [name: string, value: string];
}

const MESSAGES = "/api/v2/chats/:chat/messages";
const CHAT = "/api/v2/chats/:chat";
const NO_CHAT = "/api/v2/chats/00000000-0000-4000-8000-000000000000";

const hello = { role: "user", content: "Hello" };
const send = (message: unknown, more: Record<string, unknown> = {}): AskOptions => ({
  body: { message, model: "demo", ...more },
});
const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);

const DECODE = "Failed to decode chat message";

const SCENARIOS: Scenario[] = [
  // Who asks.
  ...["/api/v2/chats", CHAT, MESSAGES, "/api/v2/deployment/llms", "/api/v2/users/me"].map((
    path,
  ): Scenario => ({
    name: `no token at ${path}`,
    path,
    options: { token: null },
    status: 401,
    has: ['"message":"You are signed out'],
    header: ["www-authenticate", "Bearer"],
  })),
  { name: "wrong token", path: "/api/v2/chats", options: { token: "nonsense" }, status: 401 },
  {
    name: "empty bearer",
    path: "/api/v2/chats",
    options: { token: null, headers: { authorization: "Bearer " } },
    status: 401,
  },
  {
    name: "basic instead of bearer",
    path: "/api/v2/chats",
    options: { token: null, headers: { authorization: "Basic YWxpY2U6c2VjcmV0" } },
    status: 401,
  },
  {
    name: "cookie from a foreign page",
    method: "POST",
    path: "/api/v2/chats",
    options: {
      token: null,
      headers: { cookie: "coder_session_token=alice-secret", origin: "https://evil.example" },
    },
    status: 403,
    has: ["evil.example"],
  },
  {
    name: "cookie without an origin",
    method: "POST",
    path: "/api/v2/chats",
    options: { token: null, headers: { cookie: "coder_session_token=alice-secret" } },
    status: 403,
  },
  // Which chat.
  ...["", "/messages"].flatMap((suffix): Scenario[] => [
    {
      name: `no uuid${suffix}`,
      path: `/api/v2/chats/nonsense${suffix}`,
      status: 400,
      has: ['Invalid UUID \\"nonsense\\"', '"field":"chat"'],
    },
    {
      name: `a uuid too long${suffix}`,
      path: `${NO_CHAT}0${suffix}`,
      status: 400,
    },
    { name: `no such chat${suffix}`, path: NO_CHAT + suffix, status: 404 },
    {
      name: `another's chat${suffix}`,
      path: `/api/v2/chats/:other${suffix}`,
      status: 404,
      has: ["Resource not found"],
    },
  ]),
  { name: "a NUL in the id", path: "/api/v2/chats/%00", status: 400 },
  { name: "a broken escape in the id", path: "/api/v2/chats/%E0%A4%A", status: 400 },
  {
    name: "sending to another's chat",
    method: "POST",
    path: "/api/v2/chats/:other/messages",
    options: send(hello),
    status: 404,
  },
  // Nobody learns more of a chat that is not theirs, whatever else is wrong.
  ...[send("nonsense"), send(hello, { model: "nosuch" })]
    .map(
      (options, index): Scenario => ({
        name: `sending nonsense to another's chat, ${index}`,
        method: "POST",
        path: "/api/v2/chats/:other/messages",
        options,
        status: 404,
        has: ["Resource not found"],
      }),
    ),
  {
    name: "naming another's chat",
    method: "PATCH",
    path: "/api/v2/chats/:other",
    options: { body: { title: "mine" } },
    status: 404,
  },
  { name: "deleting another's chat", method: "DELETE", path: "/api/v2/chats/:other", status: 404 },
  { name: "deleting no chat", method: "DELETE", path: NO_CHAT, status: 404 },
  // Which route and method.
  { name: "no such route", path: "/api/v2/nothing", status: 404 },
  { name: "no such page", path: "/nothing", status: 404 },
  {
    name: "PUT on chats",
    method: "PUT",
    path: "/api/v2/chats",
    status: 405,
    header: ["allow", "GET, HEAD, OPTIONS, POST"],
  },
  {
    name: "POST on a chat",
    method: "POST",
    path: CHAT,
    status: 405,
    header: ["allow", "DELETE, GET, HEAD, OPTIONS, PATCH"],
  },
  ...["DELETE", "PATCH", "POST"].map((method) => ({
    name: `${method} on the watch, which is no chat`,
    method,
    path: "/api/v2/chats/watch",
    status: 405,
    header: ["allow", "GET, HEAD, OPTIONS"] as [string, string],
  })),
  {
    name: "DELETE on a queue's continuation, which is no run",
    method: "DELETE",
    path: `${CHAT}/queue/continue`,
    status: 405,
    header: ["allow", "OPTIONS, POST"],
  },
  {
    name: "POST on a queued message",
    method: "POST",
    path: `${CHAT}/queue/00000000-0000-4000-8000-000000000000`,
    status: 405,
    header: ["allow", "DELETE, OPTIONS"],
  },
  { name: "DELETE on messages", method: "DELETE", path: MESSAGES, status: 405 },
  { name: "POST on models", method: "POST", path: "/api/v2/deployment/llms", status: 405 },
  { name: "POST on health", method: "POST", path: "/healthz", status: 405 },
  // Lists.
  ...["0", "-1", "501", "ten", "1.5", "1e2", ""].map((limit): Scenario => ({
    name: `limit ${limit || "empty"}`,
    path: `/api/v2/chats?limit=${limit}`,
    status: 400,
    has: ['"field":"limit"'],
  })),
  {
    name: "a cursor of one's own making",
    path: "/api/v2/chats?limit=5&cursor=nonsense",
    status: 400,
    has: ['"field":"cursor"'],
  },
  // Chats.
  ...([
    ["a list for a chat", [], ""],
    ["a text for a chat", '"title"', ""],
    ["a number as title", { title: 7 }, '"field":"title"'],
    ["null as title", { title: null }, '"field":"title"'],
    ["a blank title", { title: "  " }, '"field":"title"'],
    ["a title too long", { title: "x".repeat(201) }, "at most 200"],
    ["a NUL in the title", { title: "a\u0000b" }, "control characters"],
    ["broken JSON for a chat", "{", "Expected JSON"],
  ] as const).map(([name, body, has]): Scenario => ({
    name,
    method: "POST",
    path: "/api/v2/chats",
    options: { body },
    status: 400,
    has: ['"message":"Failed to decode chat"', has],
  })),
  { name: "renaming without a body", method: "PATCH", path: CHAT, status: 400 },
  { name: "renaming to nothing", method: "PATCH", path: CHAT, options: { body: {} }, status: 400 },
  // Messages: the body.
  { name: "no body", method: "POST", path: MESSAGES, status: 400, has: [DECODE, "found none"] },
  ...([
    ["broken JSON", "{", "Expected JSON"],
    ["half a JSON", '{"message":{"role":"user"', "Expected JSON"],
    ["JSON with a tail", "{} {}", "Expected JSON"],
    ["a list", [], ""],
    ["null", "null", ""],
    ["JSON too deep", nested(200), "at most 64 deep"],
    ["JSON far too deep", nested(100_000), DECODE],
    ["no message", { model: "demo" }, '"field":"message"'],
    ["a text as message", { message: "Hello", model: "demo" }, '"field":"message"'],
    ["no model", { message: hello }, '"field":"model"'],
    ["an empty model", { message: hello, model: "" }, '"field":"model"'],
    ["a tool with a bad name", {
      message: hello,
      model: "demo",
      tools: [{ name: "good" }, { name: "not good" }],
    }, '"field":"tools.1.name"'],
    ["thinking as a text", { message: hello, model: "demo", thinking: "yes" }, "thinking"],
  ] as const).map(([name, body, has]): Scenario => ({
    name,
    method: "POST",
    path: MESSAGES,
    options: { body },
    status: 400,
    has: [`"message":"${DECODE}"`, has],
  })),
  {
    name: "an unknown model",
    method: "POST",
    path: MESSAGES,
    options: send(hello, { model: "gpt-none" }),
    status: 400,
    has: ['{"message":"Model not found"}'],
  },
  ...["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"].map((
    type,
  ): Scenario => ({
    name: `content type ${type}`,
    method: "POST",
    path: MESSAGES,
    options: { ...send(hello), headers: { "content-type": type } },
    status: 415,
    has: ["Expected application/json"],
  })),
  // Messages: the message.
  ...([
    ["no role", { content: "Hello" }, "message.role"],
    ["an answer without its id", { role: "assistant", content: "Hello" }, "message.id"],
    ["an answer that is none", { id: "x", role: "assistant", content: "a" }, "message.id"],
    ["a system role", { role: "system", content: "Hello" }, "message.role"],
    ["an empty message", { role: "user" }, "message"],
    ["an empty text", { role: "user", content: "" }, "message"],
    ["white space alone", { role: "user", content: " \n\t" }, "message"],
    ["empty parts", { role: "user", parts: [] }, "message"],
    ["a text that is none", { role: "user", content: 7 }, "message.content"],
    ["parts that are none", { role: "user", parts: "Hello" }, "message.parts"],
    ["a part that is none", { role: "user", parts: ["Hello"] }, "message.parts.0"],
    ["a part without type", { role: "user", parts: [{ text: "Hello" }] }, "message.parts.0"],
    ["a part of an answer", {
      role: "user",
      parts: [{ type: "text", text: "x" }, { type: "reasoning", reasoning: "x" }],
    }, "message.parts.1.type"],
    ["a text part without text", { role: "user", parts: [{ type: "text" }] }, "message"],
    ["an id that is none", { id: 7, role: "user", content: "Hello" }, "message.id"],
    ["a NUL in the id", { id: "a\u0000b", role: "user", content: "Hello" }, "message.id"],
    ["half a pair in the id", { id: "\ud800", role: "user", content: "Hello" }, "message.id"],
    ["an id too long", { id: "x".repeat(201), role: "user", content: "Hello" }, "message.id"],
    ["an attachment without URL", {
      role: "user",
      content: "x",
      experimental_attachments: [{ name: "a" }],
    }, "message.experimental_attachments.0.url"],
    ["an attachment from a file", {
      role: "user",
      content: "x",
      experimental_attachments: [{ url: "file:///etc/passwd" }],
    }, "message.experimental_attachments.0"],
    ["an attachment with a broken URL", {
      role: "user",
      content: "x",
      experimental_attachments: [{ url: "https://[", contentType: "image/png" }],
    }, "message.experimental_attachments.0"],
    ["an attachment of no type", {
      role: "user",
      content: "x",
      experimental_attachments: [{ url: "https://example.com/a", contentType: "nonsense" }],
    }, "message.experimental_attachments.0"],
    ["a file that is no base64", {
      role: "user",
      parts: [{ type: "file", mimeType: "image/png", data: "%%%" }],
    }, "message.parts.0"],
  ] as const).map(([name, message, field]): Scenario => ({
    name,
    method: "POST",
    path: MESSAGES,
    options: send(message),
    status: 400,
    has: [DECODE, `"field":"${field}`],
  })),
  {
    name: "a message too long",
    method: "POST",
    path: MESSAGES,
    options: send({ role: "user", content: "x".repeat(1_001) }),
    status: 413,
    has: ["at most 1000 characters", '"field":"message"'],
  },
  {
    name: "a body too large",
    method: "POST",
    path: MESSAGES,
    options: send({ role: "user", content: "x".repeat(300_000) }),
    status: 413,
    has: ["at most 200000 bytes"],
  },
  {
    name: "headers too large",
    path: "/api/v2/chats",
    options: { headers: { "x-large": "x".repeat(40_000) } },
    status: 431,
  },
];

Deno.test("bad input", async (t) => {
  await using server = await startParley({
    env: { PARLEY_LIMIT_MESSAGE_CHARS: "1000", PARLEY_LIMIT_BODY_BYTES: "200000" },
  });
  const chat = await server.newChat();
  const other = await server.newChat({ token: "bob-secret" });
  assert(SCENARIOS.length >= 60, `${SCENARIOS.length} scenarios`);
  for (const scenario of SCENARIOS) {
    await t.step(scenario.name, () => play(scenario, server, { chat, other }));
  }
  await t.step("nothing was stored", async () => {
    const chats = await (await request(server, "GET", "/api/v2/chats")).json();
    assertEquals(chats.map(({ id }: { id: string }) => id), [chat]);
    assertEquals(await (await request(server, "GET", `/api/v2/chats/${chat}/messages`)).json(), []);
    const others = await request(server, "GET", `/api/v2/chats/${other}`, { token: "bob-secret" });
    assertEquals((await others.json()).title, "New Chat");
  });
  await t.step("no failure of ours, no secret in the log", () => {
    const log = server.logged.join("\n");
    assert(!log.includes('"level":"error"'), log);
    assert(!log.includes("alice-secret"), log);
  });
});

async function play(
  { method = "GET", path, options, status, has = [], header }: Scenario,
  server: TestServer,
  ids: { chat: string; other: string },
): Promise<void> {
  const real = path.replace(":chat", ids.chat).replace(":other", ids.other);
  const response = await request(server, method, real, options);
  const text = await response.text();
  assertEquals(response.status, status, text);
  assertEquals(response.headers.get("content-type"), "application/json");
  assertEquals(typeof JSON.parse(text).message, "string");
  for (const part of has) assertStringIncludes(text, part);
  if (header) assertStringIncludes(response.headers.get(header[0]) ?? "", header[1]);
}

Deno.test("a foreign host is refused on loopback", async () => {
  await using server = await startParley();
  const { port, hostname } = new URL(server.url);
  // `fetch` does not let a page choose its Host; a socket does.
  const connection = await Deno.connect({ hostname, port: Number(port) });
  await connection.write(new TextEncoder().encode(
    "GET /healthz HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n",
  ));
  const response = await new Response(connection.readable).text();
  assertStringIncludes(response, "421 Misdirected Request");
  assertStringIncludes(response, "evil.example");
});

Deno.test("good input of unusual shape is taken", async (t) => {
  await using server = await startParley();
  const cases: [string, Record<string, unknown>, string][] = [
    ["content alone", { role: "user", content: "Hello" }, "Hello"],
    ["parts alone", { role: "user", parts: [{ type: "text", text: "Hello" }] }, "Hello"],
    ["both", { role: "user", content: "Hi", parts: [{ type: "text", text: "Hello" }] }, "Hello"],
    ["content with empty parts", { role: "user", content: "Hello", parts: [] }, "Hello"],
    ["unicode", { role: "user", content: "héllo 世界 👩‍👩‍👧 \u202e" }, "héllo 世界 👩‍👩‍👧 \u202e"],
    ["NUL", { role: "user", content: "a\u0000b" }, "a\u0000b"],
    ["an empty id", { id: "", role: "user", content: "Hello" }, "Hello"],
    ["unknown fields", { role: "user", content: "Hello", more: { a: 1 } }, "Hello"],
    ["nulls of Go", { role: "user", content: "Hello", annotations: null, parts: null }, "Hello"],
  ];
  for (const [name, message, text] of cases) {
    await t.step(name, async () => {
      const chat = await server.newChat();
      const response = await request(server, "POST", `/api/v2/chats/${chat}/messages`, {
        body: { message, model: "demo" },
      });
      assertEquals(response.status, 200);
      await response.text();
      const history = await (await request(server, "GET", `/api/v2/chats/${chat}/messages`)).json();
      assertEquals(history[0].content, text);
      assert(history[0].id.length > 0);
    });
  }
  await t.step("duplicate keys: the last counts", async () => {
    const chat = await server.newChat();
    const response = await request(server, "POST", `/api/v2/chats/${chat}/messages`, {
      body: '{"model":"none","model":"demo","message":{"role":"user","content":"a","content":"b"}}',
    });
    await response.text();
    const history = await (await request(server, "GET", `/api/v2/chats/${chat}/messages`)).json();
    assertEquals(history[0].content, "b");
  });
});
