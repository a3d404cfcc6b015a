/** The UI message stream of AI SDK 5+, its history, continuations, branches and structured output. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { startScripted } from "../kit/scripted.ts";

// deno-lint-ignore no-explicit-any
type Chunk = any;

/** The chunks of a UI stream, with their numbers; fails unless it ends as it must. */
function chunksOf(text: string): { ids: number[]; chunks: Chunk[] } {
  assert(text.endsWith("data: [DONE]\n\n"), text);
  const frames = text.split("\n\n").slice(0, -2).filter((frame) => !frame.startsWith(":"));
  const matches = frames.map((frame) => /^id: [0-9a-f-]{36}:(\d+)\ndata: (.+)$/.exec(frame)!);
  return {
    ids: matches.map(([, id]) => Number(id)),
    chunks: matches.map(([, , data]) => JSON.parse(data!)),
  };
}

const UI = { "x-vercel-ai-ui-message-stream": "v1" };

Deno.test("a request is answered in the protocol that its client speaks", async () => {
  await using scripted = await startScripted({ script: { steps: [{ text: "Hi" }] } });
  const chat = await scripted.chat();
  const type = async (extra: object, headers: Record<string, string>, query = "") => {
    const response = await scripted.server.ask("POST", `/api/v2/chats/${chat}/messages${query}`, {
      body: { message: { role: "user", content: "Hello" }, model: "scripted", ...extra },
      headers,
    });
    await response.text();
    return response.headers.get("content-type")?.split(";")[0];
  };
  assertEquals(await type({}, {}), "text/plain");
  assertEquals(await type({}, UI), "text/event-stream");
  assertEquals(await type({}, { accept: "text/event-stream" }), "text/event-stream");
  assertEquals(await type({ trigger: "submit-message" }, {}), "text/event-stream");
  assertEquals(await type({}, {}, "?protocol=ui"), "text/event-stream");
  assertEquals(await type({ trigger: "x" }, UI, "?protocol=data"), "text/plain");
});

Deno.test("the default body of AI SDK 5+ works as it is: send, resume, reload equals live", async () => {
  await using scripted = await startScripted({
    script: {
      steps: [{ text: "Half " }, { text: "whole" }, {
        finish: "stop",
        usage: { input: 3, output: 2 },
      }],
    },
  });
  const { server } = scripted;
  const chat = await scripted.chat();
  const path = `/api/v2/chats/${chat}/messages`;
  const sent = await server.ask("POST", path, {
    body: {
      id: "client-chat",
      messages: [
        { id: "old", role: "user", parts: [{ type: "text", text: "ignored" }] },
        { id: "u1", role: "user", parts: [{ type: "text", text: "Hello" }], metadata: { a: 1 } },
      ],
      trigger: "submit-message",
    },
  });
  assertEquals(sent.headers.get("x-vercel-ai-ui-message-stream"), "v1");
  const whole = await sent.text();
  const { ids, chunks } = chunksOf(whole);
  assertEquals(ids, ids.map((_, index) => index + 1));
  assertEquals(chunks.map(({ type }) => type), [
    "start",
    "start-step",
    "text-start",
    "text-delta",
    "text-delta",
    "text-end",
    "finish-step",
    "finish",
  ]);
  const metadata = {
    totalUsage: { inputTokens: 3, outputTokens: 2, totalTokens: 5 },
    model: "scripted",
  };
  assertEquals(chunks.at(-1), { type: "finish", finishReason: "stop", messageMetadata: metadata });
  const history = await (await server.ask("GET", `${path}?protocol=ui`)).json();
  assertEquals(history, [
    { id: "u1", role: "user", parts: [{ type: "text", text: "Hello" }], metadata: { a: 1 } },
    {
      id: chunks[0].messageId,
      role: "assistant",
      parts: [{ type: "step-start" }, { type: "text", text: "Half whole", state: "done" }],
      metadata,
    },
  ]);
  const resumed = await server.ask("GET", `${path}/client-chat/stream`);
  assertEquals(resumed.status, 204);
  const run = sent.headers.get("parley-run-id");
  const rest = await server.ask("GET", `/api/v2/chats/${chat}/stream?run=${run}&after=5`);
  const tail = await rest.text();
  assert(whole.endsWith(tail) && tail.startsWith(`id: ${run}:6\n`), tail);
});

const TOOLS = [{ name: "where", description: "Where one is", inputSchema: { type: "object" } }];
const CALL = { toolCall: { id: "call_1", name: "where", args: { exact: true } } };

for (const generation of ["v4", "v5"] as const) {
  Deno.test(`a tool of the client: the answer goes on with its result (${generation})`, async () => {
    await using scripted = await startScripted({
      script: [{ steps: [CALL] }, { steps: [{ text: "You are home." }] }],
    });
    const { provider } = scripted;
    const chat = await scripted.chat();
    const headers = generation === "v5" ? UI : {};
    const first = await scripted.send(chat, "Where am I?", { tools: TOOLS }, headers);
    const text = await first.text();
    if (generation === "v5") assertStringIncludes(text, '"type":"tool-input-available"');
    assertEquals(text.includes("dynamic"), false);
    const [, answer] = await scripted.history(chat);
    const result = { at: "home" };
    const part = generation === "v5"
      ? {
        type: "tool-where",
        toolCallId: "call_1",
        state: "output-available",
        input: {},
        output: result,
      }
      : {
        type: "tool-invocation",
        toolInvocation: {
          state: "result",
          toolCallId: "call_1",
          toolName: "where",
          args: {},
          result,
        },
      };
    const message = { id: answer!.id, role: "assistant", parts: [part] };
    const second = await scripted.send(chat, "", { message, tools: TOOLS }, headers);
    const continued = await second.text();
    assertStringIncludes(continued, answer!.id);
    const history = await scripted.history(chat);
    assertEquals(history.length, 2);
    assertEquals(history[1]?.id, answer!.id);
    assertEquals(history[1]?.content, "You are home.");
    assertEquals(history[1]?.parts.map(({ type }) => type), [
      "step-start",
      "tool-invocation",
      "step-start",
      "text",
    ]);
    const asked = provider.requests[1]!.body as { messages: Chunk[]; tools: Chunk[] };
    assertEquals(asked.tools[0].function.name, "where");
    assertEquals(asked.messages.slice(-2), [
      {
        role: "assistant",
        content: null,
        tool_calls: [{
          id: "call_1",
          type: "function",
          function: { name: "where", arguments: '{"exact":true}' },
        }],
      },
      { role: "tool", tool_call_id: "call_1", content: '{"at":"home"}' },
    ]);
    const again = await scripted.send(chat, "", { message, tools: TOOLS }, headers);
    assertEquals(again.status, 400);
    await again.body?.cancel();
  });
}

Deno.test("a call that the client never answered is closed for the provider", async () => {
  await using scripted = await startScripted({
    script: [{ steps: [CALL] }, { steps: [{ text: "Never mind." }] }],
  });
  const chat = await scripted.chat();
  await (await scripted.send(chat, "Where am I?", { tools: TOOLS })).text();
  const [, answer] = await scripted.history(chat);
  await (await scripted.send(chat, "Forget it", { tools: TOOLS })).text();
  const asked = scripted.provider.requests[1]!.body as { messages: Chunk[] };
  assertEquals(asked.messages.map(({ role }) => role), ["user", "assistant", "tool", "user"]);
  const late = await scripted.send(chat, "", {
    message: {
      id: answer!.id,
      role: "assistant",
      parts: [{ type: "tool-where", toolCallId: "call_1", state: "output-available", output: 1 }],
    },
  });
  assertEquals(late.status, 409);
  await late.body?.cancel();
});

Deno.test("branches: an edit keeps what it replaces, and one may go back", async () => {
  let n = 0;
  await using scripted = await startScripted({ script: () => ({ steps: [{ text: `a${++n}` }] }) });
  const { server } = scripted;
  const chat = await scripted.chat();
  const path = `/api/v2/chats/${chat}`;
  const send = async (id: string, content: string) =>
    await (await scripted.send(chat, "", { message: { id, role: "user", content } })).text();
  await send("u1", "first");
  await send("u2", "second");
  await send("u1", "first, edited");
  const read = async (query: string) =>
    await (await server.ask("GET", `${path}/messages?protocol=ui${query}`)).json();
  const texts = (list: Chunk[]) => list.map(({ parts }) => parts.at(-1).text);
  const active = await read("");
  assertEquals(texts(active), ["first, edited", "a3"]);
  const { branches } = active[0].metadata;
  assertEquals(branches.siblings.length, 2);
  assertEquals(branches.siblings[1], branches.key);
  assertEquals(active[0].metadata.annotations, undefined);
  assertEquals(active[1].metadata.branches, undefined);
  const older = await (await server.ask("GET", `${path}/messages`)).json();
  assertEquals(older[0].annotations, [{ branches }]);
  const old = branches.siblings[0];
  assertEquals(texts(await read(`&branch=${old}`)), ["first", "a1", "second", "a2"]);
  const chosen = await server.ask("PATCH", path, { body: { branch: old } });
  assertEquals(chosen.status, 200);
  assertEquals(texts(await read("")), ["first", "a1", "second", "a2"]);
  await send("u3", "third");
  const asked = scripted.provider.requests.at(-1)!.body as { messages: Chunk[] };
  assertEquals(asked.messages.map(({ content }) => content), [
    "first",
    "a1",
    "second",
    "a2",
    "third",
  ]);
  const other = await scripted.chat();
  const wrong = await server.ask("PATCH", `/api/v2/chats/${other}`, { body: { branch: old } });
  assertEquals(wrong.status, 400);

  const forked = await server.ask("POST", `${path}/fork`, { body: { message_id: "u2" } });
  assertEquals(forked.status, 201);
  const { id } = await forked.json();
  assertEquals((await scripted.history(id)).map(({ content }) => content), [
    "first",
    "a1",
    "second",
  ]);
  await (await scripted.send(id, "elsewhere")).text();
  assertEquals((await scripted.history(id)).length, 5);
  assertEquals((await scripted.history(chat)).length, 6);
});

Deno.test("structured output is asked for and checked", async () => {
  await using scripted = await startScripted({
    script: [
      { steps: [{ text: '{"age": ' }, { text: "7}" }] },
      { steps: [{ text: '{"age": "seven"}' }] },
      { steps: [{ text: "seven" }] },
    ],
  });
  const schema = { type: "object", properties: { age: { type: "number" } }, required: ["age"] };
  const extra = { response_format: { type: "json_schema", json_schema: { name: "age", schema } } };
  const chat = await scripted.chat();
  const good = await (await scripted.send(chat, "How old?", extra)).text();
  assertMatch(good, /\nd:{"finishReason":"stop"/);
  const asked = scripted.provider.requests[0]!.body as { response_format: Chunk };
  assertEquals(asked.response_format.type, "json_schema");
  assertEquals(asked.response_format.json_schema.schema.required, ["age"]);
  const wrong = await (await scripted.send(chat, "How old?", extra)).text();
  assertMatch(wrong, /\n3:"The answer does not match the response_format: \/age: .*number/);
  const none = await (await scripted.send(chat, "How old?", extra)).text();
  assertMatch(none, /\n3:"The answer does not match the response_format: it is not JSON"/);
  assertEquals((await scripted.history(chat)).length, 6);
});

Deno.test("the answer that is being made is listed when asked for", async () => {
  await using scripted = await startScripted({
    script: { steps: [{ text: "half" }, { stall: true }] },
  });
  const { server } = scripted;
  const chat = await scripted.chat();
  const sent = await scripted.send(chat, "Hello");
  const reader = sent.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  while (!text.includes("half")) text += (await reader.read()).value;
  const path = `/api/v2/chats/${chat}/messages`;
  assertEquals((await scripted.history(chat)).length, 1);
  const live = await (await server.ask("GET", `${path}?include=live`)).json();
  assertEquals(live.map(({ content }: Chunk) => content), ["Hello", "half"]);
  const old = await server.ask("GET", `${path}?chatId=undefined`);
  assertEquals(old.status, 200);
  await server.ask("POST", `/api/v2/chats/${chat}/stop`);
  assertStringIncludes(await old.text(), "half");
  await reader.cancel();
  const idle = await server.ask("GET", `${path}?chatId=undefined`);
  assertEquals([idle.status, await idle.text()], [200, ""]);
});
