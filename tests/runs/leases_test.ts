/** On a shared database another process takes over no run that is alive, and every one that is not. */
import { assertEquals } from "@std/assert";
import type { RunStore } from "../../src/domain/ports.ts";
import { chatStore } from "../../src/store/chats.ts";
import type { Database } from "../../src/store/database.ts";
import { runStore } from "../../src/store/runs.ts";
import { Leases } from "../../src/runs/leases.ts";
import { FakeClock } from "../kit/clock.ts";
import { testDatabase } from "../kit/database.ts";
import { beginningOf, chatOf, runOf } from "../kit/stored_run.ts";

const run = runOf();

Deno.test("a lease keeps a run until it ends", async () => {
  await using db = await testDatabase();
  const runs = runStore(db);
  const clock = new FakeClock();
  const lost: string[][] = [];
  const stopped: string[][] = [];
  const make = (owner: string) =>
    new Leases({
      runs,
      clock,
      owner,
      shared: true,
      onLost: (ids) => lost.push([...ids]),
      onStop: (ids) => stopped.push(ids),
      onSweep: () => Promise.resolve(),
    });
  const [mine, theirs] = [make("me"), make("them")];
  await chatStore(db).create(chatOf(), { titled: false });
  assertEquals(await runs.begin(beginningOf("", mine.make())), "begun");

  const ofOthers = async () => (await runs.abandoned("them", theirs.cutoff)).map((f) => f.run.id);
  assertEquals(await ofOthers(), []);
  assertEquals(await runs.takeOver(run, theirs.make(), theirs.cutoff), false);

  const keeping = mine.keep(() => ["r"]);
  for (let n = 0; n < 10; n++) {
    await clock.sleeping(5_000);
    clock.advance(5_000);
  }
  await clock.sleeping(5_000);
  assertEquals(await ofOthers(), []);

  // Another process was asked to stop it.
  assertEquals(stopped.flat(), []);
  assertEquals(await runs.requestStop("o", "r"), true);
  assertEquals(await runs.requestStop("another", "r"), false);
  await clock.sleeping(1_000);
  clock.advance(1_000);
  await clock.sleeping(1_000);
  assertEquals(stopped.flat(), ["r"]);
  clock.advance(4_000);
  await clock.sleeping(5_000);

  // A process that stood still for too long.
  clock.advance(4_999);
  const late = clock.now() + 15_000;
  assertEquals((await runs.abandoned("them", late)).length, 1);
  assertEquals(await runs.takeOver(run, { owner: "them", until: late + 15_000 }, late), true);
  assertEquals(await runs.takeOver(run, mine.make(), late), false);
  clock.advance(1);
  await clock.sleeping(5_000);
  assertEquals(lost, [["r"]]);
  mine.close();
  await keeping;
});

Deno.test("a renewal that is stuck on the line is tried again before the lease ends", async () => {
  await using db = await testDatabase();
  const clock = new FakeClock();
  const renewedAt: number[] = [];
  const runs: RunStore = {
    ...runStore(db),
    renew(_, ids) {
      renewedAt.push(clock.now());
      return renewedAt.length === 1 ? new Promise(() => {}) : Promise.resolve(ids);
    },
  };
  const leases = new Leases({
    runs,
    clock,
    owner: "me",
    shared: true,
    onLost: () => {},
    onStop: () => {},
    onSweep: () => Promise.resolve(),
  });
  const startedAt = clock.now();
  const keeping = leases.keep(() => ["r"]);
  await clock.sleeping(5_000);
  clock.advance(5_000);
  // What is waited for no more.
  await clock.sleeping(3_000);
  clock.advance(3_000);
  await clock.sleeping(500);
  clock.advance(500);
  await clock.sleeping(5_000);
  assertEquals(renewedAt.map((time) => time - startedAt), [5_000, 8_500]);
  leases.close();
  await keeping;
});

Deno.test("on a database of its own every other process's run is nobody's", async () => {
  await using db = await testDatabase();
  const runs = runStore(db);
  const clock = new FakeClock();
  await chatStore(db).create(chatOf(), { titled: false });
  const lease = { owner: "before", until: clock.now() + 15_000 };
  await runs.begin(beginningOf("", lease));
  assertEquals((await runs.abandoned("before", undefined)).length, 0);
  assertEquals((await runs.abandoned("now", undefined)).length, 1);
  assertEquals(await runs.takeOver(run, { owner: "now", until: 0 }, undefined), true);
  assertEquals((await runs.abandoned("now", undefined)).length, 0);
});

Deno.test("on a database of its own nothing is renewed or looked for, and events are one statement", async () => {
  await using db = await testDatabase();
  const asked: unknown[] = [];
  const watched: Database = {
    ...db,
    read: (statement) => {
      asked.push(statement);
      return db.read(statement);
    },
    write: (statements) => {
      asked.push(...statements);
      return db.write(statements);
    },
  };
  const runs = runStore(watched);
  await new Leases({
    runs,
    clock: new FakeClock(),
    owner: "me",
    shared: false,
    onLost: () => {},
    onStop: () => {},
    onSweep: () => Promise.resolve(),
  }).keep(() => ["r"]);
  assertEquals(asked, []);
  await runs.append([{ runId: "r", first: 1, events: [] }], []);
  // Where its rows go is asked once.
  assertEquals(asked.length, 2);
  await runs.append([{ runId: "r", first: 2, events: [] }], []);
  assertEquals(asked.length, 3);
});
