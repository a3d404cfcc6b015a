/** A run of another process is looked at for as long as someone reads it, and no longer. */
import { assertEquals } from "@std/assert";
import type { FoundRun } from "../../src/domain/ports.ts";
import { LiveRun } from "../../src/runs/live_run.ts";
import { follow } from "../../src/runs/replay.ts";
import { queueStore } from "../../src/store/queue.ts";
import { runStore } from "../../src/store/runs.ts";
import { FakeClock } from "../kit/clock.ts";
import { testDatabase } from "../kit/database.ts";
import { runOf } from "../kit/stored_run.ts";

Deno.test("nobody's run is followed for a while, and then no more", async () => {
  await using db = await testDatabase();
  const clock = new FakeClock();
  const run = runOf();
  let looks = 0;
  const runs = {
    ...runStore(db),
    find: () => {
      looks++;
      return Promise.resolve<FoundRun>({ run, state: "running", failure: null, lastSeq: 0 });
    },
  };
  const live = new LiveRun(run, () => Promise.resolve([]), { state: "running", head: 0 });
  const parts = { runs, queue: queueStore(db), clock };
  const following = follow(live, parts, new AbortController().signal);
  const wait = async (times: number) => {
    for (let n = 0; n < times; n++) {
      await clock.sleeping(200);
      clock.advance(200);
    }
    await clock.sleeping(200);
  };
  const reader = live.subscribe(0, () => {});
  await wait(60);
  assertEquals(looks, 61);
  reader.close();
  await wait(24);
  clock.advance(200);
  await following;
  assertEquals(looks, 85);
  assertEquals(live.closed, false);
});
