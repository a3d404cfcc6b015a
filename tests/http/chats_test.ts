import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Stores } from "../../src/domain/ports.ts";
import { partsOf, StreamReader, textOf } from "../kit/data_stream.ts";
import { lastUserText } from "../kit/provider/provider.ts";
import { startParley } from "../kit/parley.ts";
import { request } from "../kit/request.ts";
import { MODELS, startScripted } from "../kit/scripted.ts";

Deno.test("a chat is made, read, named, listed and deleted", async () => {
  await using server = await startParley();
  const made = await request(server, "POST", "/api/v2/chats");
  assertEquals(made.status, 201);
  const chat = await made.json();
  assertEquals(Object.keys(chat), ["id", "created_at", "updated_at", "title"]);
  assertEquals(chat.title, "New Chat");
  assertEquals(made.headers.get("location"), `/api/v2/chats/${chat.id}`);
  const path = `/api/v2/chats/${chat.id}`;
  assertEquals(await (await request(server, "GET", path)).json(), chat);
  assertEquals(
    await (await request(server, "GET", path.toUpperCase().replace("API/V2/CHATS", "api/v2/chats")))
      .json(),
    chat,
  );

  const named = await request(server, "PATCH", path, { body: { title: "  Fruit  " } });
  assertEquals((await named.json()).title, "Fruit");
  const titled = await request(server, "POST", "/api/v2/chats", { body: { title: "Mine" } });
  assertEquals((await titled.json()).title, "Mine");

  const deleted = await request(server, "DELETE", path);
  assertEquals([deleted.status, await deleted.text()], [204, ""]);
  const gone = await request(server, "GET", path);
  assertEquals(gone.status, 404);
  await gone.body?.cancel();
  const head = await request(server, "HEAD", "/api/v2/chats");
  assertEquals([head.status, await head.text()], [200, ""]);
});

Deno.test("lists go page by page, the newest first, and miss nothing", async () => {
  let now = Date.parse("2026-11-23T09:00:00Z");
  // Two chats a millisecond: the order must hold among equals.
  const clock = {
    now: () => Math.floor(now),
    elapsed: () => now,
    sleep: () => new Promise<void>(() => {}),
  };
  await using server = await startParley({ clock });
  const made: string[] = [];
  for (let n = 0; n < 23; n++) {
    made.unshift(await server.newChat());
    now += 0.5;
  }
  const all = await (await request(server, "GET", "/api/v2/chats")).json();
  assertEquals(all.length, 23);
  const paged: string[] = [];
  for (let next: string | undefined = "/api/v2/chats?limit=5"; next;) {
    const response = await request(server, "GET", next);
    const page = await response.json();
    assert(page.length <= 5);
    paged.push(...page.map(({ id }: { id: string }) => id));
    next = /<([^>]+)>; rel="next"/.exec(response.headers.get("link") ?? "")?.[1];
  }
  assertEquals(paged, all.map(({ id }: { id: string }) => id));
  assertEquals([...paged].sort(), [...made].sort());
  const updated = all.map((chat: { updated_at: string }) => chat.updated_at);
  assertEquals(updated, [...updated].sort().reverse());
});

Deno.test("thousands of chats are listed in pieces, even those that move meanwhile", async () => {
  let moving: string | undefined;
  const asked: (number | undefined)[] = [];
  const stores = (stores: Stores): Stores => ({
    ...stores,
    chats: {
      ...stores.chats,
      async list(ownerId, page) {
        asked.push(page.limit);
        const found = await stores.chats.list(ownerId, page);
        if (moving) await stores.chats.rename(ownerId, moving, "Moved", Date.now() + 60_000);
        moving = undefined;
        return found;
      },
    },
  });
  await using server = await startParley({ stores });
  const ids = await Promise.all(Array.from({ length: 1_203 }, () => server.newChat()));
  const oldest = (await (await request(server, "GET", "/api/v2/chats")).json()).at(-1).id;
  asked.length = 0;
  moving = oldest;
  const all = await (await request(server, "GET", "/api/v2/chats")).json();
  const listed: string[] = all.map(({ id }: { id: string }) => id);
  assertEquals(listed.toSorted(), ids.toSorted());
  assertEquals([listed.at(-1), all.at(-1).title], [oldest, "Moved"]);
  assert(asked.length > 3 && asked.every((limit) => limit! <= 501), String(asked));
});

Deno.test("a message moves its chat to the top", async () => {
  await using server = await startParley();
  const [first, second] = [await server.newChat(), await server.newChat()];
  await (await server.send(first, "Hello")).text();
  const list = await (await request(server, "GET", "/api/v2/chats")).json();
  assertEquals(list.map(({ id }: { id: string }) => id), [first, second]);
});

Deno.test("the title comes from a model beside the answer, at its own request", async () => {
  await using scripted = await startScripted({
    script: (request) =>
      JSON.stringify(request.body).includes("Write a title")
        ? { steps: [{ text: '"Fruit: a short list" 🍎' }] }
        : { steps: [{ text: "Apples." }] },
  });
  const { server, provider } = scripted;
  const chat = await server.newChat();
  const watch = new StreamReader(await request(server, "GET", "/api/v2/chats/watch"));
  await watch.until("watching");
  await (await scripted.send(chat, "Name fruit. ".repeat(500))).text();
  await watch.until("chat.renamed");
  await watch.leave();
  assertEquals(
    (await (await request(server, "GET", `/api/v2/chats/${chat}`)).json()).title,
    "Fruit a short list",
  );
  const asked = provider.requests.map(({ body }) => lastUserText(body as Record<string, unknown>));
  assertEquals(asked.map(({ length }) => length).sort((a, b) => a - b), [2_000, 6_000]);
  // Only the first message names a chat.
  await (await scripted.send(chat, "And more?")).text();
  assertEquals(provider.requests.length, 3);
});

Deno.test("a title that fails is the message's first words, and harms nothing", async () => {
  await using scripted = await startScripted({
    script: (request) =>
      JSON.stringify(request.body).includes("Write a title")
        ? { status: 500 }
        : { steps: [{ text: "Apples." }] },
  });
  const chat = await scripted.server.newChat();
  const watch = new StreamReader(await scripted.server.ask("GET", "/api/v2/chats/watch"));
  await watch.until("watching");
  const parts = partsOf(await (await scripted.send(chat, "Name some fruit, please")).text());
  assertEquals(textOf(parts), "Apples.");
  await watch.until('"title":"Name some fruit, please"');
  await watch.leave();
});

Deno.test("a second request carries the first turn", async () => {
  await using scripted = await startScripted({
    script: [{ steps: [{ text: "one answer" }] }, { steps: [{ text: "two" }] }],
    env: { PARLEY_SYSTEM_PROMPT: "Be brief." },
  });
  const chat = await scripted.chat();
  await (await scripted.send(chat, "first")).text();
  await (await scripted.send(chat, "second")).text();
  const bodies = scripted.provider.requests.map(({ body }) => body as { messages: unknown[] });
  assertEquals(bodies[0]?.messages, [
    { role: "system", content: "Be brief." },
    { role: "user", content: "first" },
  ]);
  assertEquals(bodies[1]?.messages.slice(0, 2), bodies[0]?.messages);
  assertEquals(bodies[1]?.messages.slice(2), [
    { role: "assistant", content: "one answer" },
    { role: "user", content: "second" },
  ]);
});

Deno.test("a known message id is an edit, and the same again a regeneration", async () => {
  await using scripted = await startScripted({
    script: [{ steps: [{ text: "a1" }] }, { steps: [{ text: "a2" }] }, { steps: [{ text: "a3" }] }],
  });
  const chat = await scripted.chat();
  const send = async (id: string, content: string) => {
    const message = { id, role: "user", content };
    return partsOf(await (await scripted.send(chat, "", { message })).text());
  };
  const ids = [];
  for (const [id, content] of [["m1", "first"], ["m1", "first, edited"], ["m1", "first, edited"]]) {
    const parts = await send(id!, content!);
    ids.push(parts.find(({ code }) => code === "f")?.value.messageId);
  }
  const history = await scripted.history(chat);
  assertEquals(history.map(({ content }) => content), ["first, edited", "a3"]);
  assertEquals(history.map(({ id }) => id), ["m1", ids[2]]);
  assertEquals(new Set(ids).size, 3);
});

Deno.test("every kind of part is the same in the stream and in the history", async () => {
  await using scripted = await startScripted({
    script: {
      steps: [
        { reasoning: "Let me " },
        { reasoning: "think." },
        { reasoningSignature: "c2ln" },
        { redactedReasoning: "cmVk" },
        { text: "Half " },
        { text: "and half." },
        { toolCall: { id: "call_1", name: "look", args: { a: [1, "x"] }, chunks: 3 } },
        { finish: "tool-calls", usage: { input: 11, output: 7 } },
      ],
    },
  });
  const chat = await scripted.chat();
  const parts = partsOf(
    await (await scripted.send(chat, "Hi", { model: MODELS.anthropic })).text(),
  );
  const codes = parts.map(({ code }) => code).join("");
  assertMatch(codes, /^fg+jig?0+bc+9ed$/);
  assertEquals(parts.at(-1)?.value, {
    finishReason: "tool-calls",
    usage: { promptTokens: 11, completionTokens: 7 },
  });
  const [, answer] = await scripted.history(chat);
  assertEquals(answer?.id, parts[0]?.value.messageId);
  assertEquals(answer?.content, textOf(parts));
  assertEquals(answer?.parts.map(({ type }) => type), [
    "step-start",
    "reasoning",
    "text",
    "tool-invocation",
  ]);
  assertEquals(answer?.parts[1]?.["details"], [
    { type: "text", text: "Let me think.", signature: "c2ln" },
    { type: "redacted", data: "cmVk" },
  ]);
  assertEquals(answer?.parts[3]?.["toolInvocation"], {
    state: "call",
    step: 0,
    toolCallId: "call_1",
    toolName: "look",
    args: { a: [1, "x"] },
  });
});
