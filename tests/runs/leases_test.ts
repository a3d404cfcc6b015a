/** On a shared database another process takes over no run that is alive, and every one that is not. */
import { assertEquals } from "@std/assert";
import { LeaseOwnership } from "../../src/runs/leases.ts";
import { LockOwnership } from "../../src/runs/ownership.ts";
import { Buckets } from "../../src/store/buckets.ts";
import { chatStore } from "../../src/store/chats.ts";
import type { Database } from "../../src/store/database.ts";
import { eventStore } from "../../src/store/events.ts";
import { leaseStore } from "../../src/store/leases.ts";
import { queueStore } from "../../src/store/queue.ts";
import { runStore } from "../../src/store/runs.ts";
import { FakeClock } from "../kit/clock.ts";
import { testDatabase } from "../kit/database.ts";
import { beginningOf, chatOf, runOf } from "../kit/stored_run.ts";

const run = runOf();

function storesOf(db: Database) {
  const buckets = new Buckets(db, { shared: true });
  return {
    leases: leaseStore(db),
    runs: runStore(db, buckets),
    events: eventStore(db, "me", buckets),
    queue: queueStore(db),
  };
}

/** The runs of a process, with what it was told of them. */
function ownRuns(ids: string[]) {
  const told = { lost: [] as string[], stopped: [] as string[] };
  return {
    told,
    ids: () => ids,
    lose: (runIds: Iterable<string>) => void told.lost.push(...runIds),
    stopAll: (runIds: Iterable<string>) => void told.stopped.push(...runIds),
  };
}

const noSweep = () => Promise.resolve();

Deno.test("a lease keeps a run until it ends", async () => {
  await using db = await testDatabase();
  const stores = storesOf(db);
  const clock = new FakeClock();
  const [mine, theirs] = ["me", "them"].map((owner) =>
    new LeaseOwnership({ ...stores, clock, owner })
  ) as [LeaseOwnership, LeaseOwnership];
  await chatStore(db).create(chatOf(), { titled: false });
  assertEquals(await stores.runs.begin(beginningOf("", mine.lease("r"))), "begun");

  const ofOthers = async () => (await theirs.abandoned({ after: "" })).map(({ run }) => run.id);
  assertEquals(await ofOthers(), []);
  assertEquals(await theirs.takeOver(["r"]), []);

  const own = ownRuns(["r"]);
  mine.keep(own, noSweep);
  for (let n = 0; n < 10; n++) {
    await clock.sleeping(3_000);
    clock.advance(3_000);
  }
  await clock.sleeping(3_000);
  assertEquals(await ofOthers(), []);

  // Another process was asked to stop it.
  assertEquals(own.told.stopped, []);
  assertEquals(await stores.leases.requestStop("o", "r"), true);
  assertEquals(await stores.leases.requestStop("another", "r"), false);
  await clock.sleeping(1_000);
  clock.advance(1_000);
  await clock.sleeping(1_000);
  assertEquals(own.told.stopped, ["r"]);
  clock.advance(2_000);
  await clock.sleeping(3_000);

  // A process that stood still for too long.
  clock.advance(2_999);
  const late = clock.now() + 15_000;
  const theirLease = { owner: "them", until: late + 15_000 };
  assertEquals((await stores.leases.abandoned("them", late, { after: "" })).length, 1);
  assertEquals(await stores.leases.takeOver(["r"], theirLease, late), ["r"]);
  assertEquals(await stores.leases.takeOver(["r"], mine.lease("r"), late), []);
  clock.advance(1);
  await clock.sleeping(3_000);
  assertEquals(own.told.lost, ["r"]);
  mine.close();
});

Deno.test("a renewal that is stuck on the line is tried again before the lease ends", async () => {
  await using db = await testDatabase();
  const clock = new FakeClock();
  const renewedAt: number[] = [];
  const stores = storesOf(db);
  const leases = {
    ...stores.leases,
    renew(_: unknown, ids: readonly string[]) {
      renewedAt.push(clock.now());
      return renewedAt.length === 1 ? new Promise<string[]>(() => {}) : Promise.resolve([...ids]);
    },
  };
  const ownership = new LeaseOwnership({ ...stores, leases, clock, owner: "me" });
  const startedAt = clock.now();
  ownership.keep(ownRuns(["r"]), noSweep);
  await clock.sleeping(3_000);
  clock.advance(3_000);
  // It waits no longer than this.
  await clock.sleeping(2_500);
  clock.advance(2_500);
  await clock.sleeping(500);
  clock.advance(500);
  await clock.sleeping(3_000);
  assertEquals(renewedAt.map((time) => time - startedAt), [3_000, 6_000]);
  ownership.close();
});

Deno.test("on a database of its own every other process's run is nobody's", async () => {
  await using db = await testDatabase();
  const { leases, runs } = storesOf(db);
  const clock = new FakeClock();
  await chatStore(db).create(chatOf(), { titled: false });
  const lease = { owner: "before", until: clock.now() + 15_000 };
  await runs.begin(beginningOf("", lease));
  const [before, now] = ["before", "now"].map((owner) => new LockOwnership(leases, owner, clock));
  assertEquals((await before!.abandoned({ after: "" })).length, 0);
  assertEquals((await now!.abandoned({ after: "" })).length, 1);
  assertEquals(await now!.takeOver([run.id]), [run.id]);
  assertEquals((await now!.abandoned({ after: "" })).length, 0);
});
