/** Where a run's log lies in the file: found whole, wherever its rows went, and cheap to write. */
import { assert, assertEquals } from "@std/assert";
import type { RunEvent } from "../../src/domain/event.ts";
import type { EventGroup } from "../../src/domain/ports.ts";
import { chatStore } from "../../src/store/chats.ts";
import type { Database } from "../../src/store/database.ts";
import { selectEvents } from "../../src/store/events.ts";
import { runStore } from "../../src/store/runs.ts";
import { testDatabase } from "../kit/database.ts";
import { beginningOf, chatOf, endingOf, runOf } from "../kit/stored_run.ts";

const OWNER = "o";

/** One event of a run. */
function group(name: string, seq: number): EventGroup {
  return { runId: runOf(name).id, first: seq, events: [delta(seq)] };
}

function delta(seq: number): RunEvent {
  return { type: "text-delta", id: "txt-0", text: `word ${seq} ` };
}

async function begin(db: Database, runs: ReturnType<typeof runStore>, name: string) {
  await chatStore(db).create(chatOf(name), { titled: false });
  assertEquals(await runs.begin(beginningOf(name)), "begun");
}

async function countRows(db: Database): Promise<unknown[]> {
  const { rows } = await db.read("SELECT count(*) AS n, max(bucket) AS last FROM events");
  return [rows[0]!["n"], rows[0]!["last"]];
}

/** Removes all logs that have expired. */
async function expireAll(runs: ReturnType<typeof runStore>, time: number): Promise<void> {
  for await (const _ of runs.expireLogs(time));
}

Deno.test("a log among those of others is read whole, page by page, while it is written and after", async () => {
  await using db = await testDatabase();
  const runs = runStore(db);
  const names = ["a", "b", "c"];
  for (const name of names) await begin(db, runs, name);
  for (let seq = 1; seq <= 1_000; seq++) {
    await runs.append(names.map((name) => group(name, seq)), []);
  }
  const read = async (name: string, page: number) => {
    const found: number[] = [];
    for (;;) {
      const events = await runs.events(runOf(name).id, found.length, page);
      if (events.length === 0) return found;
      found.push(...events.map(({ seq }) => seq));
    }
  };
  const all = Array.from({ length: 1_000 }, (_, index) => index + 1);
  assertEquals((await runs.live(OWNER, "cb"))?.lastSeq, 1_000);
  assertEquals(await read("b", 300), all);
  await runs.append([], [endingOf("b")]);
  for (let seq = 1_001; seq <= 1_600; seq++) await runs.append([group("a", seq)], []);
  assertEquals(await read("b", 1_000), all);
  assertEquals((await runs.find(OWNER, "rb"))?.lastSeq, 1_000);
  assertEquals((await runs.find(OWNER, "ra"))?.lastSeq, 1_600);
  const { rows } = await db.read("SELECT first_bucket, last_bucket FROM runs ORDER BY id");
  assertEquals(rows.map((row) => [row["first_bucket"], row["last_bucket"]]), [
    [1, null],
    [1, 12],
    [1, null],
  ]);
});

Deno.test("a log that a crash left goes on behind what other runs wrote, even where nothing is left of them", async () => {
  await using db = await testDatabase();
  const before = runStore(db);
  await begin(db, before, "gone");
  for (let seq = 1; seq <= 600; seq++) await before.append([group("gone", seq)], []);
  await begin(db, before, "mine");
  await before.append([], [endingOf("gone")]);
  await expireAll(before, 2);
  assertEquals(await countRows(db), [0, null]);
  await before.append([group("mine", 1)], []);
  await chatStore(db).delete(OWNER, "cgone");

  const after = runStore(db);
  await after.append([group("mine", 2)], [endingOf("mine")]);
  await begin(db, after, "next");
  await after.append([group("next", 1)], []);
  const events = await after.events("rmine", 0, 100);
  assertEquals(events.map(({ seq }) => seq), [1, 2]);
});

Deno.test("a log without a row goes on after a crash", async () => {
  await using db = await testDatabase();
  const before = runStore(db);
  await begin(db, before, "gone");
  for (let seq = 1; seq <= 600; seq++) await before.append([group("gone", seq)], []);
  await begin(db, before, "mine");
  await chatStore(db).delete(OWNER, "cgone");

  const after = runStore(db);
  await after.append([group("mine", 1)], [endingOf("mine")]);
  assertEquals((await after.events("rmine", 0, 100)).length, 1);
});

Deno.test("a log that a crash left on a database of one process goes on on a shared one", async () => {
  await using db = await testDatabase();
  const before = runStore(db);
  for (const name of ["gone", "mine"]) await begin(db, before, name);
  for (let seq = 1; seq <= 600; seq++) {
    await before.append([group("gone", seq), group("mine", seq)], []);
  }
  const [one, other] = [runStore(db, "one"), runStore(db, "other")];
  const run = runOf("mine");
  assertEquals(await one.takeOver(run, { owner: "one", until: 5 }, 1), true);
  assertEquals(await one.append([group("mine", 601)], []), new Set());
  assertEquals(await other.takeOver(run, { owner: "other", until: 9 }, 6), true);
  await other.append([group("mine", 602)], [endingOf("mine")]);
  const events = await before.events(run.id, 500, 1_000);
  assertEquals(events.map(({ seq }) => seq), Array.from({ length: 102 }, (_, at) => at + 501));
});

Deno.test("expiry and a chat's end remove a log from every bucket, and nobody else's", async () => {
  await using db = await testDatabase();
  const runs = runStore(db);
  for (const name of ["a", "b", "c"]) await begin(db, runs, name);
  for (let seq = 1; seq <= 600; seq++) {
    await runs.append([group("a", seq), group("b", seq), group("c", seq)], []);
  }
  await runs.append([], [endingOf("a", 10), endingOf("b", 20)]);
  await expireAll(runs, 15);
  assertEquals(await countRows(db), [1_200, 8]);
  assertEquals((await runs.find(OWNER, "ra"))?.lastSeq, 0);
  await chatStore(db).delete(OWNER, "cc");
  assertEquals(await countRows(db), [600, 8]);
  assertEquals((await runs.events("rb", 0, 1_000)).length, 600);
});

Deno.test("logs expire a part at a time, are gone at once for who reads them, and after a crash all the same", async () => {
  await using db = await testDatabase();
  const runs = runStore(db);
  const names = Array.from({ length: 40 }, (_, index) => `${index}`);
  for (const name of names) await begin(db, runs, name);
  for (let seq = 1; seq <= 100; seq++) {
    await runs.append(names.map((name) => group(name, seq)), []);
  }
  await runs.append([], names.map((name, index) => endingOf(name, index)));
  for await (const _ of runs.expireLogs(30)) {
    const rows = (await countRows(db))[0] as number;
    assert(rows > 3_000, `${rows} are left`);
    assertEquals(await runs.events("r7", 0, 1_000), []);
    assertEquals((await runs.find(OWNER, "r7"))?.lastSeq, 0);
    assertEquals((await runs.find(OWNER, "r30"))?.lastSeq, 100);
    // As a crash would leave it.
    break;
  }
  const after = runStore(db);
  await expireAll(after, 35);
  assertEquals((await countRows(db))[0], 500);
  const { rows } = await db.read("SELECT id FROM runs WHERE logged ORDER BY id");
  assertEquals(rows.map((row) => row["id"]), ["r35", "r36", "r37", "r38", "r39"]);
});

Deno.test("a page of a log is read by the index and is not sorted", async () => {
  await using db = await testDatabase();
  const { sql, args } = selectEvents("r", 5, 10) as { sql: string; args: (string | number)[] };
  const { rows } = await db.read({ sql: `EXPLAIN QUERY PLAN ${sql}`, args });
  const plan = rows.map((row) => row["detail"] as string);
  assert(plan[0]?.includes("(bucket=? AND run_id=?)"), plan.join("\n"));
  assertEquals(plan.filter((step) => /TEMP B-TREE|SCAN (events|runs)/.test(step)), []);
});

Deno.test("a group of twenty runs changes a few pages of the file and not twenty", async () => {
  await using db = await testDatabase();
  const runs = runStore(db);
  const ids = Array.from({ length: 200 }, () => crypto.randomUUID());
  const write = async (seq: number) => {
    for (let from = 0; from < ids.length; from += 20) {
      const those = ids.slice(from, from + 20);
      await runs.append(
        those.map((runId) => ({ runId, first: seq, events: [delta(seq)] })),
        [],
      );
    }
  };
  for (let seq = 1; seq <= 20; seq++) await write(seq);
  await db.read("PRAGMA wal_checkpoint(TRUNCATE)");
  for (let seq = 21; seq <= 24; seq++) await write(seq);
  const { size } = await Deno.stat(`${db.dir}/parley.db-wal`);
  const pages = size / 4_096 / 40;
  assert(pages < 12, `${pages} pages a group`);
});
