/** Where a run's log lies in the file: found whole, wherever its rows went, and cheap to write. */
import { assert, assertEquals, assertLessOrEqual, assertRejects } from "@std/assert";
import type { RunEvent } from "../../src/domain/event.ts";
import type { EventGroup } from "../../src/domain/records.ts";
import { Buckets } from "../../src/store/buckets.ts";
import { chatStore } from "../../src/store/chats.ts";
import type { Database } from "../../src/store/database.ts";
import { eventStore, selectEvents } from "../../src/store/events.ts";
import { leaseStore } from "../../src/store/leases.ts";
import { runStore } from "../../src/store/runs.ts";
import { statement } from "../../src/store/statement.ts";
import { testDatabase } from "../kit/database.ts";
import { beginningOf, chatOf, endingOf, runOf } from "../kit/stored_run.ts";

const OWNER = "o";

/** The stores of a process that writes runs. */
class Process {
  readonly #buckets: Buckets;
  readonly #db: Database;
  readonly runs;
  readonly log;

  constructor(db: Database, { shared, owner }: { shared: boolean; owner: string } = ALONE) {
    this.#db = db;
    this.#buckets = new Buckets(db, { shared });
    this.runs = runStore(db, this.#buckets);
    this.log = eventStore(db, owner, this.#buckets);
  }

  async begin(name: string) {
    await chatStore(this.#db).create(chatOf(name), { titled: false });
    assertEquals(await this.runs.begin(beginningOf(name)), "begun");
  }

  append(...groups: EventGroup[]) {
    return this.log.append(groups, []);
  }

  end(...names: string[]) {
    return this.log.append([], names.map((name) => endingOf(name)));
  }

  /** Removes all logs that have expired. */
  async expireAll(time: number): Promise<void> {
    for await (const _ of this.log.expire(time));
  }

  /** The numbers of all events of a run, read page by page. */
  async read(name: string): Promise<number[]> {
    const found: number[] = [];
    for (;;) {
      const events = await this.log.read(runOf(name).id, found.length);
      if (events.length === 0) return found;
      found.push(...events.map(({ seq }) => seq));
    }
  }
}

const ALONE = { shared: false, owner: "me" };

/** One event of a run. */
function group(name: string, seq: number): EventGroup {
  return { runId: runOf(name).id, first: seq, events: [delta(seq)] };
}

function delta(seq: number): RunEvent {
  return { type: "text-delta", id: "txt-0", text: `word ${seq} ` };
}

async function countRows(db: Database): Promise<{ n: number; last: number | null } | undefined> {
  return await db.get(statement("SELECT count(*) AS n, max(bucket) AS last FROM events"));
}

const upTo = (last: number) => Array.from({ length: last }, (_, index) => index + 1);

Deno.test("a log among those of others is read whole, page by page, while it is written and after", async () => {
  await using db = await testDatabase();
  const me = new Process(db);
  const names = ["a", "b", "c"];
  for (const name of names) await me.begin(name);
  for (let seq = 1; seq <= 1_000; seq++) await me.append(...names.map((name) => group(name, seq)));
  assertEquals((await me.runs.current(OWNER, "cb"))?.live?.lastSeq, 1_000);
  assertEquals(await me.read("b"), upTo(1_000));
  await me.end("b");
  for (let seq = 1_001; seq <= 1_600; seq++) await me.append(group("a", seq));
  assertEquals(await me.read("b"), upTo(1_000));
  assertEquals((await me.runs.find(OWNER, "rb"))?.lastSeq, 1_000);
  assertEquals((await me.runs.find(OWNER, "ra"))?.lastSeq, 1_600);
  const spans = await db.all(statement<{ span: string }>(
    "SELECT first_bucket || '-' || coalesce(last_bucket, '') AS span FROM runs ORDER BY id",
  ));
  assertEquals(spans.map(({ span }) => span), ["1-", "1-3", "1-"]);
});

Deno.test("a log that a crash left goes on behind what other runs wrote, even if nothing is left of them", async () => {
  await using db = await testDatabase();
  const before = new Process(db);
  await before.begin("gone");
  for (let seq = 1; seq <= 1_100; seq++) await before.append(group("gone", seq));
  await before.begin("mine");
  await before.end("gone");
  await before.expireAll(2);
  assertEquals(await countRows(db), { n: 0, last: null });
  await before.append(group("mine", 1));
  await chatStore(db).delete(OWNER, "cgone");

  const after = new Process(db);
  await after.log.append([group("mine", 2)], [endingOf("mine")]);
  await after.begin("next");
  await after.append(group("next", 1));
  assertEquals(await after.read("mine"), [1, 2]);
});

Deno.test("a log without a row goes on after a crash", async () => {
  await using db = await testDatabase();
  const before = new Process(db);
  await before.begin("gone");
  for (let seq = 1; seq <= 1_100; seq++) await before.append(group("gone", seq));
  await before.begin("mine");
  await chatStore(db).delete(OWNER, "cgone");

  const after = new Process(db);
  await after.log.append([group("mine", 1)], [endingOf("mine")]);
  assertEquals(await after.read("mine"), [1]);
});

Deno.test("a log that a crash left on a database of one process goes on on a shared one", async () => {
  await using db = await testDatabase();
  const before = new Process(db);
  for (const name of ["gone", "mine"]) await before.begin(name);
  for (let seq = 1; seq <= 600; seq++) await before.append(group("gone", seq), group("mine", seq));
  const [one, other] = ["one", "other"].map((owner) => new Process(db, { shared: true, owner }));
  const leases = leaseStore(db);
  assertEquals(await leases.takeOver(["rmine"], { owner: "one", until: 5 }, 1), ["rmine"]);
  assertEquals(await one!.append(group("mine", 601)), new Set());
  assertEquals(await leases.takeOver(["rmine"], { owner: "other", until: 9 }, 6), ["rmine"]);
  await other!.log.append([group("mine", 602)], [endingOf("mine")]);
  assertEquals(await before.read("mine"), upTo(602));
});

Deno.test("a group that fills its bucket is stored once, though its answer is lost", async () => {
  await using db = await testDatabase();
  const process = new Process(db);
  await process.begin("a");
  const groups = upTo(1024).map((seq) => group("a", seq));
  const { write } = db;
  db.write = async (statements, options) => {
    await write.call(db, statements, options);
    throw new Error("lost");
  };
  await assertRejects(() => process.append(...groups), Error, "lost");
  db.write = write;
  await process.append(...groups);
  assertEquals((await countRows(db))!.n, 1024);
  assertEquals(await process.read("a"), upTo(1024));
});

for (const lost of [1, 2, 3]) {
  Deno.test(`groups that are written in parts are stored once, though answer ${lost} is lost`, async () => {
    await using db = await testDatabase();
    const process = new Process(db);
    await process.begin("a");
    const text = "x".repeat(2_000);
    const events = upTo(700).map((): RunEvent => ({ type: "text-delta", id: "t", text }));
    const groups = events.map((event, at) => ({ runId: "ra", first: at + 1, events: [event] }));
    const { write } = db;
    let calls = 0;
    db.write = async (statements, options) => {
      const written = await write.call(db, statements, options);
      if (++calls === lost) throw new Error("lost");
      return written as never;
    };
    await assertRejects(() => process.append(...groups), Error, "lost");
    db.write = write;
    await process.append(...groups);
    assertEquals((await countRows(db))!.n, 700);
    assertEquals(await process.read("a"), upTo(700));
  });
}

Deno.test("expiry and a chat's end remove a log from every bucket, and nobody else's", async () => {
  await using db = await testDatabase();
  const me = new Process(db);
  for (const name of ["a", "b", "c"]) await me.begin(name);
  for (let seq = 1; seq <= 600; seq++) {
    await me.append(group("a", seq), group("b", seq), group("c", seq));
  }
  await me.log.append([], [endingOf("a", 10), endingOf("b", 20)]);
  await me.expireAll(15);
  assertEquals(await countRows(db), { n: 1_200, last: 2 });
  assertEquals((await me.runs.find(OWNER, "ra"))?.lastSeq, 0);
  await chatStore(db).delete(OWNER, "cc");
  for await (const _ of chatStore(db).removeRest());
  assertEquals(await countRows(db), { n: 600, last: 2 });
  assertEquals(await me.read("b"), upTo(600));
});

Deno.test("logs expire a part at a time, are gone at once for who reads them, and after a crash all the same", async () => {
  await using db = await testDatabase();
  const me = new Process(db);
  const names = Array.from({ length: 40 }, (_, index) => `${index}`);
  for (const name of names) await me.begin(name);
  for (let seq = 1; seq <= 100; seq++) await me.append(...names.map((name) => group(name, seq)));
  await me.log.append([], names.map((name, index) => endingOf(name, index)));
  for await (const _ of me.log.expire(30)) {
    const rows = (await countRows(db))?.n ?? 0;
    assert(rows > 3_000, `${rows} are left`);
    assertEquals(await me.read("7"), []);
    assertEquals((await me.runs.find(OWNER, "r7"))?.lastSeq, 0);
    assertEquals((await me.runs.find(OWNER, "r30"))?.lastSeq, 100);
    // As a crash would leave it.
    break;
  }
  await new Process(db).expireAll(35);
  assertEquals((await countRows(db))?.n, 500);
  const kept = await db.all(
    statement<{ id: string }>("SELECT id FROM runs WHERE logged ORDER BY id"),
  );
  assertEquals(kept.map(({ id }) => id), ["r35", "r36", "r37", "r38", "r39"]);
});

Deno.test("a page of a log is read by the index", async () => {
  await using db = await testDatabase();
  const { sql, args } = selectEvents("r", 5);
  const steps = await db.all(statement<{ detail: string }>(`EXPLAIN QUERY PLAN ${sql}`, args));
  const plan = steps.map(({ detail }) => detail);
  assert(plan.some((step) => step.includes("(bucket=? AND run_id=?)")), plan.join("\n"));
  assertEquals(plan.filter((step) => /SCAN (events|runs)/.test(step)), []);
});

Deno.test("a page of a log has at most 200 rows, and some 32 KiB, but one row at least", async () => {
  await using db = await testDatabase();
  const me = new Process(db);
  await me.begin("a");
  const sizes = [40_000, 10, 12_000, 12_000, 12_000, 12_000, ...Array(300).fill(10)];
  for (const [index, size] of sizes.entries()) {
    const event: RunEvent = { type: "text-delta", id: "t", text: "x".repeat(size) };
    await me.append({ runId: "ra", first: index + 1, events: [event] });
  }
  const pages: number[] = [];
  for (let after = 0;;) {
    const page = await me.log.read("ra", after);
    if (page.length === 0) break;
    pages.push(page.length);
    after += page.length;
  }
  assertEquals(pages, [1, 4, 200, 101]);
});

Deno.test("a large group is stored in rows, so that a reader need not take all of it at once", async () => {
  await using db = await testDatabase();
  const me = new Process(db);
  await me.begin("a");
  const events = [10_000, 50_000, ...Array(30).fill(5_000)].map((size): RunEvent => ({
    type: "text-delta",
    id: "t",
    text: "x".repeat(size),
  }));
  const large = { runId: "ra", first: 1, events };
  // Sent twice, as over a line that lost the answer.
  await me.append(large);
  await me.append(large);
  const read: RunEvent[] = [];
  for (;;) {
    const page = await me.log.read("ra", read.length);
    if (page.length === 0) break;
    assertLessOrEqual(JSON.stringify(page).length, 2 * 32 * 1024 + 50_000);
    read.push(...page.map(({ event }) => event));
  }
  assertEquals(read, events);
});

Deno.test("a group of twenty runs changes a few pages of the file and not twenty", async () => {
  await using db = await testDatabase();
  const me = new Process(db);
  const names = Array.from({ length: 200 }, () => crypto.randomUUID());
  for (const name of names) await me.begin(name);
  const write = async (seq: number) => {
    for (let from = 0; from < names.length; from += 20) {
      await me.append(...names.slice(from, from + 20).map((name) => group(name, seq)));
    }
  };
  for (let seq = 1; seq <= 20; seq++) await write(seq);
  await db.get(statement("PRAGMA wal_checkpoint(TRUNCATE)"));
  for (let seq = 21; seq <= 24; seq++) await write(seq);
  const { size } = await Deno.stat(`${db.dir}/parley.db-wal`);
  const pages = size / 4_096 / 40;
  assert(pages < 12, `${pages} pages a group`);
});
