/** P2, P4, P5 and P6 over HTTP: runs belong to the server. */
import { assert, assertEquals, assertLessOrEqual, assertMatch } from "@std/assert";
import { FakeClock } from "../kit/clock.ts";
import { partsOf, StreamReader, textOf } from "../kit/data_stream.ts";
import { gate, startProvider } from "../kit/provider/provider.ts";
import { startParley } from "../kit/parley.ts";
import { startScripted } from "../kit/scripted.ts";

Deno.test("a client that leaves changes nothing, and may come back", async () => {
  const held = gate();
  await using scripted = await startScripted({
    script: { steps: [{ text: "one " }, { wait: held }, { text: "two" }] },
  });
  const { server } = scripted;
  const chat = await scripted.chat();
  const first = new StreamReader(await scripted.send(chat, "Hello"));
  await first.until("one ");
  await first.leave();
  assertEquals((await scripted.history(chat)).length, 1);

  const stream = `/api/v2/chats/${chat}/stream`;
  const second = await server.ask("GET", stream);
  assertEquals(second.headers.get("parley-run-id"), first.response.headers.get("parley-run-id"));
  const run = second.headers.get("parley-run-id");
  const third = await server.ask("GET", `${stream}?after=4&run=${run}`);
  const fourth = await server.ask("GET", stream, { headers: { "last-event-id": `${run}:4` } });
  held.open();
  const whole = await second.text();
  assertEquals(textOf(partsOf(whole)), "one two");
  assert(whole.startsWith(first.text));
  const tail = await third.text();
  assertEquals(await fourth.text(), tail);
  assert(whole.endsWith(tail));
  assertEquals(textOf(partsOf(tail)), "two");
  assertEquals((await scripted.history(chat))[1]?.content, "one two");
  assertEquals(scripted.provider.requests.length, 1);
});

Deno.test("resuming: 204 when idle, the rest of an ended run, any run by its id", async () => {
  await using scripted = await startScripted({ script: { steps: [{ text: "one " }] } });
  const { server } = scripted;
  const chat = await scripted.chat();
  const stream = `/api/v2/chats/${chat}/stream`;
  const status = async (path: string) => {
    const response = await server.ask("GET", path);
    return [response.status, await response.text()] as const;
  };
  assertEquals(await status(stream), [204, ""]);
  const sent = await scripted.send(chat, "Hello");
  const run = sent.headers.get("parley-run-id");
  const whole = await sent.text();
  assertEquals(await status(stream), [204, ""]);
  assertEquals(await status(`${stream}?after=0&run=${run}`), [200, whole]);
  const [code, tail] = await status(`${stream}?after=${run}:4`);
  assertEquals(code, 200);
  assert(tail.startsWith("e:") && whole.endsWith(tail), tail);
  assertEquals(await status(`${stream}?run=${run}&after=1000`), [204, ""]);
  assertEquals(await status(`${stream}?run=00000000-0000-4000-8000-000000000000`), [204, ""]);
  // A number alone may be of another run.
  const alone = ["after=4", "after=-1", "after=x", "run=7", `after=${run}:1&run=${chat}`];
  for (const bad of alone) {
    assertEquals((await status(`${stream}?${bad}`))[0], 400);
  }
  const other = await scripted.chat();
  assertEquals(await status(`/api/v2/chats/${other}/stream?run=${run}`), [204, ""]);
});

Deno.test("stop closes the provider's connection and keeps the text", async () => {
  await using scripted = await startScripted({
    script: { steps: [{ text: "one " }, { stall: true }] },
  });
  const { server, provider } = scripted;
  const chat = await scripted.chat();
  const stop = async (body?: unknown) =>
    await (await server.ask("POST", `/api/v2/chats/${chat}/stop`, { body })).json();
  assertEquals(await stop(), { stopped: false, reason: "The chat is idle." });
  const reader = new StreamReader(await scripted.send(chat, "Hello"));
  await reader.until("one ");
  const run = reader.response.headers.get("parley-run-id");
  const stale = { run_id: "00000000-0000-4000-8000-000000000000" };
  assertEquals(await stop(stale), { stopped: false, reason: "That run is not live." });
  assertEquals(await stop({ run_id: run }), { stopped: true, run_id: run });
  const answeredAt = performance.now();
  assertLessOrEqual(await provider.requests[0]!.closed - answeredAt, 200);
  const parts = partsOf(await reader.rest());
  assertEquals(parts.slice(-2).map(({ code, value }) => [code, value.finishReason]), [
    ["e", "other"],
    ["d", "other"],
  ]);
  assertEquals((await scripted.history(chat)).map(({ content }) => content), ["Hello", "one "]);
  assertEquals((await stop()).stopped, false);
});

Deno.test("deleting a chat stops its run and ends what waits", async () => {
  await using scripted = await startScripted({
    script: { steps: [{ text: "one " }, { stall: true }] },
  });
  const chat = await scripted.chat();
  const reader = new StreamReader(await scripted.send(chat, "Hello"));
  await reader.until("one ");
  const waiting = await scripted.send(chat, "and then", { busy: "queue" });
  const deleted = await scripted.server.ask("DELETE", `/api/v2/chats/${chat}`);
  assertEquals(deleted.status, 204);
  await scripted.provider.requests[0]!.closed;
  await reader.rest();
  assertEquals(await waiting.text(), "");
  assertEquals(scripted.provider.requests.length, 1);
});

Deno.test("a busy chat: refused by default, with the live run's id", async () => {
  const held = gate();
  await using scripted = await startScripted({
    script: { steps: [{ wait: held }, { text: "a" }] },
  });
  const chat = await scripted.chat();
  const first = await scripted.send(chat, "one");
  const second = await scripted.send(chat, "two");
  assertEquals(second.status, 409);
  const run = first.headers.get("parley-run-id")!;
  assertEquals(second.headers.get("parley-run-id"), run);
  const failure = await second.json();
  assertEquals(failure.message, "The chat is busy");
  assert(failure.detail.includes(run));
  held.open();
  await first.text();
  assertEquals((await scripted.history(chat)).map(({ content }) => content), ["one", "a"]);
});

Deno.test("a busy chat: messages wait their turn, are listed, and can be taken back", async () => {
  const held = gate();
  await using scripted = await startScripted({
    script: [
      { steps: [{ wait: held }, { text: "a1" }] },
      { steps: [{ text: "a2" }] },
      { steps: [{ text: "a3" }] },
    ],
  });
  const { server } = scripted;
  const chat = await scripted.chat();
  const queue = `/api/v2/chats/${chat}/queue`;
  const first = await scripted.send(chat, "one");
  const rest = [];
  for (const text of ["two", "taken back", "three"]) {
    rest.push(await scripted.send(chat, text, { busy: "queue" }));
  }
  const listed = await (await server.ask("GET", queue)).json();
  assertEquals(listed.map((entry: { message: { content: string } }) => entry.message.content), [
    "two",
    "taken back",
    "three",
  ]);
  const runIds = rest.map((response) => response.headers.get("parley-run-id"));
  assertEquals(listed.map((entry: { run_id: string }) => entry.run_id), runIds);
  const removed = await server.ask("DELETE", `${queue}/${runIds[1]}`);
  assertEquals(removed.status, 204);
  assertEquals((await server.ask("DELETE", `${queue}/${runIds[1]}`)).status, 404);
  assertEquals(await rest[1]!.text(), "");
  held.open();
  assertEquals(textOf(partsOf(await first.text())), "a1");
  assertEquals(textOf(partsOf(await rest[0]!.text())), "a2");
  assertEquals(textOf(partsOf(await rest[2]!.text())), "a3");
  assertEquals((await scripted.history(chat)).map(({ content }) => content), [
    "one",
    "a1",
    "two",
    "a2",
    "three",
    "a3",
  ]);
  assertEquals(await (await server.ask("GET", queue)).json(), []);
});

Deno.test("a busy chat: a message may interrupt", async () => {
  await using scripted = await startScripted({
    script: [{ steps: [{ text: "half" }, { stall: true }] }, { steps: [{ text: "a2" }] }],
  });
  const chat = await scripted.chat();
  const first = new StreamReader(await scripted.send(chat, "one"));
  await first.until("half");
  const second = await scripted.send(chat, "two", { busy: "interrupt" });
  assertEquals(textOf(partsOf(await second.text())), "a2");
  await scripted.provider.requests[0]!.closed;
  assertEquals(partsOf(await first.rest()).at(-1)?.value.finishReason, "other");
  assertEquals((await scripted.history(chat)).map(({ content }) => content), [
    "one",
    "half",
    "two",
    "a2",
  ]);
});

Deno.test("the same send again joins the run: by its key, and by its id while it is live", async () => {
  const held = gate();
  await using scripted = await startScripted({
    script: { steps: [{ text: "a" }, { wait: held }] },
  });
  const chat = await scripted.chat();
  const message = { id: "m1", role: "user", content: "Hello" };
  const keyed = { "idempotency-key": "k1" };
  const sent = [
    await scripted.send(chat, "", { message }, keyed),
    await scripted.send(chat, "", { message }, keyed),
    await scripted.send(chat, "", { message }),
  ];
  assertEquals(sent.map(({ status }) => status), [200, 200, 200]);
  const other = await scripted.send(chat, "something else", {}, keyed);
  assertEquals(other.status, 422);
  assertEquals((await other.json()).validations[0].field, "Idempotency-Key");
  held.open();
  const texts = await Promise.all(sent.map((response) => response.text()));
  assertEquals(new Set(texts).size, 1);
  const replayed = await scripted.send(chat, "", { message }, keyed);
  assertEquals(await replayed.text(), texts[0]);
  assertEquals(scripted.provider.requests.length, 1);
  assertEquals((await scripted.history(chat)).length, 2);
  const bad = await scripted.send(chat, "x", {}, { "idempotency-key": "a b" });
  assertEquals(bad.status, 400);
});

Deno.test("a failure before the first content is tried again, each time in the ledger", async () => {
  const clock = new FakeClock();
  await using scripted = await startScripted({
    clock,
    script: [
      { status: 500 },
      { status: 429, headers: { "retry-after": "7" } },
      {
        steps: [{ text: "fine" }, {
          finish: "stop",
          usage: { input: 100, output: 20, cached: 40 },
        }],
      },
    ],
    env: { PARLEY_PRICES: '{"scripted":{"input":10,"output":100,"cached":1}}' },
  });
  const { server } = scripted;
  const chat = await scripted.chat();
  const sent = await scripted.send(chat, "Hello");
  await clock.sleeping(500);
  clock.advance(500);
  await clock.sleeping(7_000);
  clock.advance(7_000);
  assertEquals(textOf(partsOf(await sent.text())), "fine");
  const expected = {
    provider: "openai-compatible",
    model: "scripted",
    requests: 3,
    input_tokens: 100,
    output_tokens: 20,
    cached_tokens: 40,
    reasoning_tokens: 0,
    estimated: true,
    first_token_ms: 0,
    cost: (60 * 10 + 40 * 1 + 20 * 100) / 1e6,
  };
  const ofChat = await (await server.ask("GET", `/api/v2/chats/${chat}/usage`)).json();
  assertEquals(ofChat, { usage: [expected] });
  const byDay = await (await server.ask("GET", "/api/v2/usage?since=2026-11-01T00:00:00Z")).json();
  assertEquals(byDay.usage, [{ day: "2026-11-23", ...expected }]);
  const later = await (await server.ask("GET", "/api/v2/usage?since=2026-11-24T00:00:00Z")).json();
  assertEquals(later.usage, []);
  assertEquals((await server.ask("GET", "/api/v2/usage?since=yesterday")).status, 400);
  const bobs = await server.ask("GET", "/api/v2/usage", { token: "bob-secret" });
  assertEquals((await bobs.json()).usage, []);
});

Deno.test("after the first content nothing is tried again", async () => {
  await using scripted = await startScripted({ script: { steps: [{ text: "a" }, { cut: true }] } });
  const chat = await scripted.chat();
  await (await scripted.send(chat, "Hello")).text();
  assertEquals(scripted.provider.requests.length, 1);
});

Deno.test("a model that does not answer is stood in for by the next", async () => {
  await using scripted = await startScripted({
    script: (request) =>
      request.model === "scripted" ? { status: 401 } : { steps: [{ text: "instead" }] },
    env: { PARLEY_FALLBACKS: "scripted=claude" },
  });
  const chat = await scripted.chat();
  const parts = partsOf(await (await scripted.send(chat, "Hello")).text());
  assertEquals(textOf(parts), "instead");
  const { usage } = await (await scripted.server.ask("GET", `/api/v2/chats/${chat}/usage`)).json();
  assertEquals(usage.map(({ model }: { model: string }) => model), ["claude", "scripted"]);
});

Deno.test("watchers see what becomes of their chats, and of no others", async () => {
  await using scripted = await startScripted();
  const { server } = scripted;
  const watch = new StreamReader(await server.ask("GET", "/api/v2/chats/watch"));
  await watch.until("watching");
  await server.newChat({ token: "bob-secret" });
  const chat = await scripted.chat();
  const sent = await scripted.send(chat, "Hello");
  await sent.text();
  await server.ask("PATCH", `/api/v2/chats/${chat}`, { body: { title: "Other" } });
  await server.ask("DELETE", `/api/v2/chats/${chat}`);
  await watch.until("chat.deleted");
  await watch.until("\n\n");
  await watch.leave();
  const events = [...watch.text.matchAll(/event: (.+)\ndata: (.+)\n/g)]
    .map(([, type, data]) => [type, JSON.parse(data!)] as const);
  assertEquals(events.map(([type]) => type), [
    "chat.created",
    "run.started",
    "run.ended",
    "chat.renamed",
    "chat.deleted",
  ]);
  assert(events.every(([, data]) => (data.chat_id ?? data.id) === chat));
  assertEquals(events[2]?.[1], {
    chat_id: chat,
    run_id: sent.headers.get("parley-run-id"),
    state: "completed",
  });
});

Deno.test("open streams are bounded", async () => {
  const held = gate();
  await using scripted = await startScripted({
    script: { steps: [{ wait: held }] },
    env: { PARLEY_LIMIT_STREAMS_PER_USER: "2" },
  });
  const { server } = scripted;
  const chats = [await scripted.chat(), await scripted.chat(), await scripted.chat()];
  const open = [await scripted.send(chats[0]!, "a"), await scripted.send(chats[1]!, "b")];
  const refused = await scripted.send(chats[2]!, "c");
  assertEquals([refused.status, refused.headers.get("retry-after")], [429, "5"]);
  await refused.body?.cancel();
  assertEquals(await scripted.history(chats[2]!), []);
  const bobs = await server.newChat({ token: "bob-secret" });
  const bob = await server.ask("GET", `/api/v2/chats/${bobs}/stream`, { token: "bob-secret" });
  assertEquals(bob.status, 204);
  held.open();
  for (const response of open) await response.text();
  await (await scripted.send(chats[2]!, "c")).text();
});

Deno.test("a setting that names a model that the provider does not list is told in the log", async () => {
  await using provider = await startProvider();
  const env = { OPENAI_BASE_URL: provider.base.openai, PARLEY_TITLE_MODEL: "nano" };
  const warned = Promise.withResolvers<string>();
  await using _server = await startParley({
    env,
    write: (line) => /"level":"warn"/.test(line) && warned.resolve(JSON.parse(line).message),
  });
  assertMatch(
    await warned.promise,
    /^PARLEY_TITLE_MODEL names the model "nano", which no provider/,
  );
});
