/** What is large is removed a part at a time, is gone at once for its users, and wholly after a crash. */
import { assert, assertEquals, assertLessOrEqual } from "@std/assert";
import { Buckets } from "../../src/store/buckets.ts";
import { chatStore } from "../../src/store/chats.ts";
import type { Database } from "../../src/store/database.ts";
import { eventStore } from "../../src/store/events.ts";
import { fileStore } from "../../src/store/files.ts";
import { sendKeyStore } from "../../src/store/send_keys.ts";
import { statement } from "../../src/store/statement.ts";
import { testDatabase } from "../kit/database.ts";
import { chatOf } from "../kit/stored_run.ts";

/** The most rows, and the most bytes of files, that one step may remove. */
const MOST_ROWS = 1_000;
const MOST_BYTES = 4 * 1024 * 1024;

/** A statement that inserts `count` rows, whose number the values call `i`. */
const rows = (count: number, into: string, values: string) =>
  statement(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ${count})
    INSERT INTO ${into} SELECT ${values} FROM n`);

/** A chat with many rows in each table. */
async function fill(db: Database, name: string): Promise<void> {
  const chat = `c${name}`;
  await chatStore(db).create(chatOf(name), { titled: true });
  await db.write([
    rows(
      2_000,
      "messages (key, chat_id, id, parent_key, role, parts, metadata, status, created_at)",
      `'${name}' || i, '${chat}', i, iif(i = 1, NULL, '${name}' || (i - 1)), 'user', '[]', '{}',
        'completed', 0`,
    ),
    statement("UPDATE chats SET leaf_key = ? WHERE id = ?", [`${name}2000`, chat]),
    rows(
      50,
      `runs (id, chat_id, owner_id, prompt_key, message_id, model, protocol, state, created_at,
        ended_at, lease_owner, lease_until, first_bucket, last_bucket)`,
      `'r${name}' || i, '${chat}', 'o', 'k', 'm', 'm', 'p', 'completed', 0, 1, 'x', 0, 1, 2`,
    ),
    rows(
      3_000,
      "events (bucket, run_id, seq, last_seq, data)",
      `1 + i % 2, 'r${name}' || (1 + i % 50), i, i, '[]'`,
    ),
    rows(1_500, "sends (chat_id, key, hash, run_id, created_at)", `'${chat}', i, 'h', 'r', 0`),
    rows(
      300,
      "queue (run_id, chat_id, owner_id, message_id, request, created_at)",
      `'q${name}' || i, '${chat}', 'o', 'm', '{}', 0`,
    ),
    rows(
      30,
      "files (id, chat_id, owner_id, media_type, size, created_at)",
      `'f${name}' || i, '${chat}', 'o', 'a/b', 0, 0`,
    ),
    rows(
      90,
      "file_pieces (id, at, bytes)",
      `'f${name}' || (1 + (i - 1) % 30), (i - 1) / 30, zeroblob(${192 * 1024})`,
    ),
  ]);
}

const TABLES = ["chats", "messages", "runs", "events", "sends", "queue", "files", "file_pieces"];

async function count(db: Database): Promise<Record<string, number>> {
  const counts = TABLES.map((table) => `(SELECT count(*) FROM ${table}) AS ${table}`);
  return (await db.get(statement<Record<string, number>>(`SELECT ${counts.join(", ")}`)))!;
}

/** The rows of one chat of `fill`. */
const WHOLE = {
  chats: 1,
  messages: 2_000,
  runs: 50,
  events: 3_000,
  sends: 1_500,
  queue: 300,
  files: 30,
  file_pieces: 90,
};

/** Does the steps, each of which may remove so much; at most that many of them. */
async function inSteps(db: Database, steps: AsyncIterable<void>, most = Infinity): Promise<number> {
  let [done, before] = [0, await count(db)];
  for await (const _ of steps) {
    const after = await count(db);
    const removed = TABLES.reduce((sum, table) => sum + before[table]! - after[table]!, 0);
    assertLessOrEqual(removed, MOST_ROWS);
    assertLessOrEqual((before["file_pieces"]! - after["file_pieces"]!) * 192 * 1024, MOST_BYTES);
    before = after;
    if (++done === most) break;
  }
  return done;
}

Deno.test("a chat is gone at once, its rows go a part at a time, and after a crash all the same", async () => {
  await using db = await testDatabase();
  const [chats, files] = [chatStore(db), fileStore(db)];
  for (const name of ["a", "b"]) await fill(db, name);
  const chat = (await chats.get("o", "ca"))!;
  assertEquals(await chats.delete("other", "ca"), false);
  const whole = await count(db);
  assertEquals(await chats.delete("o", "ca"), true);
  assertEquals([await chats.get("o", "ca"), await chats.delete("o", "ca")], [undefined, false]);
  assertEquals((await chats.list("o", {})).map(({ id }) => id), ["cb"]);
  assertEquals(await files.find("o", ["fa1", "fa30"], "cb"), []);
  const left = await count(db);
  assert(TABLES.every((table) => left[table]! >= whole[table]! / 2), JSON.stringify(left));

  // A request that had found it before gets nothing of it.
  assertEquals(await chats.fork(chat, "a2000", { ...chat, id: "cfork" }), false);
  assertEquals(await chats.get("o", "cfork"), undefined);

  await inSteps(db, chats.removeRest(), 5);
  // As a crash would leave it.
  assert(await inSteps(db, chatStore(db).removeRest()) > 5);
  assertEquals(await count(db), WHOLE);
  assertEquals((await Array.fromAsync(files.read("fb1"))).length > 0, true);
});

Deno.test("a small chat is gone at once, with all that it had", async () => {
  await using db = await testDatabase();
  await chatStore(db).create(chatOf("s"), { titled: true });
  await db.write([
    statement(`INSERT INTO messages
      (key, chat_id, id, parent_key, role, parts, metadata, status, created_at)
      VALUES ('k', 'cs', 'i', NULL, 'user', '[]', '{}', 'completed', 0)`),
  ]);
  assertEquals(await chatStore(db).delete("o", "cs"), true);
  assertEquals(Object.values(await count(db)), TABLES.map(() => 0));
});

Deno.test("a fork that is being made stays, and one that a crash left goes", async () => {
  await using db = await testDatabase();
  const chats = chatStore(db);
  await fill(db, "f");
  // As a fork is until it is whole.
  await db.write([statement("UPDATE chats SET owner_id = '', updated_at = 5 WHERE id = 'cf'")]);
  await chats.removeUnfinished(5);
  await inSteps(db, chats.removeRest());
  assertEquals(await count(db), WHOLE);
  await chats.removeUnfinished(6);
  await inSteps(db, chats.removeRest());
  assertEquals(Object.values(await count(db)), TABLES.map(() => 0));
});

Deno.test("keys and logs expire a part at a time, however many they are", async () => {
  await using db = await testDatabase();
  await fill(db, "a");
  const log = eventStore(db, "me", new Buckets(db, { shared: true }));
  assert(await inSteps(db, sendKeyStore(db).expire(1)) > 1);
  assert(await inSteps(db, log.expire(2)) > 3);
  assertEquals(await count(db), { ...WHOLE, sends: 0, events: 0 });
});
