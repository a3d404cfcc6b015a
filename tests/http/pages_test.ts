/** `GET …/messages` by pages: whoever walks them sees each message of the branch once, either way. */
import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { partsOf, StreamReader, textOf } from "../kit/data_stream.ts";
import { type Gate, gate, lastUserText } from "../kit/provider/provider.ts";
import { countOf, type Random, seeded } from "../kit/random.ts";
import { startRemoteDatabase } from "../kit/remote_database.ts";
import { request } from "../kit/request.ts";
import { type Scripted, startScripted } from "../kit/scripted.ts";
import { rowsOf } from "../runs/many_kit.ts";

/** How many chats are walked. */
const CHATS = countOf("PARLEY_PAGED_CHATS", 6);

interface Page {
  status: number;
  ids: string[];
  prev: string | undefined;
  next: string | undefined;
}

async function read({ server }: Scripted, path: string): Promise<Page> {
  const response = await request(server, "GET", path);
  const listed = await response.json();
  const link = response.headers.get("link") ?? "";
  const to = (rel: string) => link.match(RegExp(`<([^>]*)>; rel="${rel}"`))?.[1];
  return {
    status: response.status,
    ids: Array.isArray(listed) ? listed.map(({ id }) => id) : [],
    prev: to("prev"),
    next: to("next"),
  };
}

/** Walks to the beginning of a branch and back to its end; gives what was seen on either way. */
async function walk(scripted: Scripted, start: string) {
  const sizes: number[] = [];
  const go = async (path: string) => {
    const page = await read(scripted, path);
    sizes.push(page.ids.length);
    return page;
  };
  let page = await go(start);
  assertEquals([page.status, page.next], [200, undefined]);
  let backward = page.ids;
  while (page.prev !== undefined) {
    page = await go(page.prev);
    assert(page.next !== undefined);
    backward = [...page.ids, ...backward];
  }
  let forward = page.ids;
  while (page.next !== undefined) {
    page = await go(page.next);
    forward = [...forward, ...page.ids];
  }
  return { backward, forward, sizes };
}

/** A chat in which messages were edited and answered again; gives the ids of what was sent. */
async function grownChat(scripted: Scripted, random: Random): Promise<string> {
  const chat = await scripted.chat();
  const sent: string[] = [];
  const count = random.between(1, 14);
  for (let n = 0; n < count; n++) {
    const known = sent.length > 0 && random.chance(0.3) ? random.below(sent.length) : undefined;
    const id = known === undefined ? `m${n}` : sent[known]!;
    const message = { id, role: "user", content: `${n} ${random.chance(0.3) ? "again" : ""}` };
    const response = await scripted.send(chat, "", { message });
    assertEquals(textOf(partsOf(await response.text())), "ok");
    sent.splice(known ?? sent.length, sent.length, id);
  }
  return chat;
}

Deno.test(`the pages of ${CHATS} chats add up to their branches, whatever their size`, async () => {
  await seeded(async (random) => {
    await using scripted = await startScripted();
    const { dataDir } = scripted.server;
    for (let n = 0; n < CHATS; n++) {
      const chat = await grownChat(scripted, random);
      const path = `/api/v2/chats/${chat}/messages`;
      const keys = (await rowsOf(dataDir, `SELECT key FROM messages WHERE chat_id = '${chat}'`))
        .map(({ key }) => String(key));
      const branches = [
        "",
        ...[random.pick(keys), random.pick(keys)].map((key) => `branch=${key}`),
      ];
      for (const branch of branches) {
        const query = [branch, random.pick(["", "protocol=ui", "include=live"])].filter(Boolean);
        const whole = await read(scripted, `${path}?${query.join("&")}`);
        assertEquals([whole.prev, whole.next], [undefined, undefined]);
        const { length } = whole.ids;
        const limits = new Set([1, random.between(1, length), length, length + 1, 1_000]);
        for (const limit of limits) {
          const start = `${path}?${[`limit=${limit}`, ...query].join("&")}`;
          const { backward, forward, sizes } = await walk(scripted, start);
          assertEquals([backward, forward], [whole.ids, whole.ids], start);
          assertEquals(sizes[0], Math.min(limit, length), start);
          assert(sizes.every((size) => size > 0 && size <= limit), `${start}: ${sizes}`);
        }
      }
    }
  });
});

Deno.test("a cursor stands between its neighbours, and two of them between each other", async () => {
  await using scripted = await startScripted();
  const chat = await scripted.chat();
  for (let n = 0; n < 4; n++) await (await scripted.send(chat, `${n}`)).text();
  const path = `/api/v2/chats/${chat}/messages`;
  const whole = (await read(scripted, path)).ids;
  const keys = (await rowsOf(
    scripted.server.dataDir,
    `SELECT key FROM messages WHERE chat_id = '${chat}' ORDER BY rowid`,
  )).map(({ key }) => key);
  assertEquals([whole.length, keys.length], [8, 8]);
  for (let at = 0; at < 8; at++) {
    assertEquals((await read(scripted, `${path}?before=${keys[at]}`)).ids, whole.slice(0, at));
    assertEquals((await read(scripted, `${path}?after=${keys[at]}`)).ids, whole.slice(at + 1));
    for (const limit of [1, 3]) {
      const before = await read(scripted, `${path}?limit=${limit}&before=${keys[at]}`);
      assertEquals(before.ids, whole.slice(Math.max(0, at - limit), at));
      const after = await read(scripted, `${path}?limit=${limit}&after=${keys[at]}`);
      assertEquals(after.ids, whole.slice(at + 1, at + 1 + limit));
    }
    for (let to = 0; to < 8; to++) {
      const between = await read(scripted, `${path}?after=${keys[at]}&before=${keys[to]}`);
      assertEquals(between.ids, whole.slice(at + 1, to), `${at} to ${to}`);
    }
  }
});

Deno.test("wrong cursors and limits are refused, with the field", async () => {
  await using scripted = await startScripted();
  const { server } = scripted;
  const [chat, other] = [await scripted.chat(), await scripted.chat()];
  for (const text of ["one", "two"]) {
    const message = { id: "m-1", role: "user", content: text };
    await (await scripted.send(chat, "", { message })).text();
  }
  await (await scripted.send(other, "elsewhere")).text();
  const keyOf = async (where: string) =>
    (await rowsOf(server.dataDir, `SELECT key FROM messages WHERE ${where}`))[0]!.key;
  const abandoned = await keyOf(`chat_id = '${chat}' AND parts LIKE '%one%'`);
  const foreign = await keyOf(`chat_id = '${other}'`);
  const cursors = ["x", "", crypto.randomUUID(), abandoned, foreign, `${crypto.randomUUID()}:1`];
  const cases: [string, unknown][] = [
    ...["0", "1001", "-1", "x", "1.5", "", "1e2", " 1", "99999"].map((
      limit,
    ): [string, string] => ["limit", limit]),
    ...cursors.map((cursor): [string, unknown] => ["before", cursor]),
    ...cursors.map((cursor): [string, unknown] => ["after", cursor]),
    ["include", "dead"],
    ["branch", "x"],
    ["branch", "live"],
  ];
  for (const [field, value] of cases) {
    const query = new URLSearchParams({ [field]: String(value) });
    const response = await request(server, "GET", `/api/v2/chats/${chat}/messages?${query}`);
    const { validations } = await response.json();
    assertEquals([response.status, validations?.[0]?.field], [400, field], String(query));
  }
  const gone = await read(scripted, `/api/v2/chats/${chat}/messages?branch=${foreign}`);
  assertEquals(gone.status, 404);
  for (const limit of ["1", "1000"]) {
    assertEquals(
      (await read(scripted, `/api/v2/chats/${chat}/messages?limit=${limit}`)).status,
      200,
    );
  }
});

/** Answers "hold" by a half until `held` is open, and anything else at once. */
function startHolding(held: Gate): Promise<Scripted> {
  return startScripted({
    script: ({ body }) => ({
      steps: lastUserText(body) === "hold" ? [{ text: "half" }, { wait: held }] : [{ text: "ok" }],
    }),
  });
}

Deno.test("the answer that is being made is on the newest page, and on no other", async () => {
  const held = gate();
  await using scripted = await startHolding(held);
  using _ = { [Symbol.dispose]: held.open };
  const chat = await scripted.chat();
  for (let n = 0; n < 3; n++) await (await scripted.send(chat, `${n}`)).text();
  const live = new StreamReader(await scripted.send(chat, "hold"));
  await live.until("half");
  const path = `/api/v2/chats/${chat}/messages`;
  const ended = (await read(scripted, path)).ids;
  const whole = (await read(scripted, `${path}?include=live`)).ids;
  assertEquals([ended.length, whole.length, whole.slice(0, 7)], [7, 8, ended]);
  for (const limit of [1, 2, 3, 7, 8, 9]) {
    const start = `${path}?limit=${limit}&include=live`;
    const { backward, forward } = await walk(scripted, start);
    assertEquals([backward, forward], [whole, whole], `limit ${limit}`);
    const { prev } = await read(scripted, start);
    if (prev !== undefined) {
      assertEquals((await read(scripted, prev)).ids.includes(whole.at(-1)!), false);
    }
  }
  held.open();
  await live.rest();
  assertEquals((await read(scripted, path)).ids, whole);
});

Deno.test("a page with the answer that is being made is no longer than its limit", async () => {
  await using scripted = await startScripted({
    script: { steps: [{ text: "half" }, { stall: true }] },
  });
  const chat = await scripted.chat();
  const live = new StreamReader(await scripted.send(chat, "hold"));
  await live.until("half");
  const path = `/api/v2/chats/${chat}/messages?include=live`;
  const sizes = [];
  for (const limit of [1, 2, 3]) {
    sizes.push((await read(scripted, `${path}&limit=${limit}`)).ids.length);
  }
  await scripted.server.ask("POST", `/api/v2/chats/${chat}/stop`);
  await live.rest();
  assertEquals(sizes, [1, 2, 2]);
});

Deno.test("the page before an answer that was being made is there once the answer has ended", async () => {
  const held = gate();
  await using scripted = await startHolding(held);
  using _ = { [Symbol.dispose]: held.open };
  const chat = await scripted.chat();
  await (await scripted.send(chat, "one")).text();
  const live = new StreamReader(await scripted.send(chat, "hold"));
  await live.until("half");
  const path = `/api/v2/chats/${chat}/messages`;
  const { prev } = await read(scripted, `${path}?limit=1&include=live`);
  held.open();
  await live.rest();
  const question = (await read(scripted, path)).ids[2];
  for (const next of ["", "two"]) {
    if (next !== "") await (await scripted.send(chat, next)).text();
    const page = await read(scripted, prev!);
    assertEquals([page.status, page.ids], [200, [question]]);
  }
});

Deno.test("the page before an answer is there while the answer is continued", async () => {
  const held = gate();
  await using scripted = await startScripted({
    script: ({ body }) => ({
      steps: JSON.stringify(body).includes("tool_call_id")
        ? [{ text: "half" }, { wait: held }]
        : [{ toolCall: { id: "call_1", name: "where", args: {} } }],
    }),
  });
  using _ = { [Symbol.dispose]: held.open };
  const chat = await scripted.chat();
  const tools = [{ name: "where" }];
  await (await scripted.send(chat, "Where am I?", { tools })).text();
  const path = `/api/v2/chats/${chat}/messages`;
  const [question, answer] = (await read(scripted, path)).ids;
  const { prev } = await read(scripted, `${path}?limit=1`);
  const result = { toolCallId: "call_1", state: "output-available", input: {}, output: "here" };
  const message = { id: answer, role: "assistant", parts: [{ type: "tool-where", ...result }] };
  const live = new StreamReader(await scripted.send(chat, "", { message, tools }));
  await live.until("half");
  for (const start of [prev!, (await read(scripted, `${path}?limit=1&include=live`)).prev!]) {
    const page = await read(scripted, start);
    assertEquals([page.status, page.ids], [200, [question]]);
  }
  held.open();
  await live.rest();
  assertEquals((await read(scripted, prev!)).ids, [question]);
});

Deno.test("a chat of 7 MB on a remote database is listed and sent to by small answers", async () => {
  await using db = await startRemoteDatabase();
  await using scripted = await startScripted({ env: db.env });
  const chat = await scripted.chat();
  const text = "x".repeat(70_000);
  db.rows(
    `WITH RECURSIVE n (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < 99)
     INSERT INTO messages (key, chat_id, id, parent_key, role, parts, metadata, status, created_at)
     SELECT 'k' || n, ?, 'm' || n, CASE WHEN n > 0 THEN 'k' || (n - 1) END,
       CASE n % 2 WHEN 0 THEN 'user' ELSE 'assistant' END,
       json_array(json_object('type', 'text', 'text', n || ' ' || ?)), '{}', 'completed', 0
     FROM n`,
    chat,
    text,
  );
  db.rows("UPDATE chats SET leaf_key = 'k99' WHERE id = ?", chat);
  db.answers.length = 0;
  const history = await scripted.history(chat);
  assertEquals(history.length, 100);
  history.forEach(({ id, content }, n) =>
    assertEquals([id, content === `${n} ${text}`], [`m${n}`, true])
  );
  const sent = await scripted.send(chat, "and now?");
  assertEquals(textOf(partsOf(await sent.text())), "ok");
  const { messages } = scripted.provider.requests[0]!.body as { messages: unknown[] };
  assertEquals(messages.length, 101);
  assert(db.answers.length > 3);
  assertLessOrEqual(Math.max(...db.answers), 4 * 1024 * 1024);
});
