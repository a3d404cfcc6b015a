/** A run of another process is looked at for as long as someone reads it, and no longer. */
import { assertEquals } from "@std/assert";
import type { FoundRun } from "../../src/domain/records.ts";
import { follow } from "../../src/runs/follow.ts";
import { RunStream } from "../../src/runs/run_stream.ts";
import { FakeClock } from "../kit/clock.ts";
import { runOf } from "../kit/stored_run.ts";

Deno.test("nobody's run is followed for a while, and then no more", async () => {
  const clock = new FakeClock();
  const run = runOf();
  let looks = 0;
  const runs = {
    find: () => {
      looks++;
      return Promise.resolve<FoundRun>({
        run,
        state: "running",
        failure: null,
        lastSeq: 0,
        owner: "it",
      });
    },
  };
  const live = new RunStream(run, () => Promise.resolve([]), { head: 0, closed: false });
  const parts = {
    runs,
    events: { read: () => Promise.resolve([]) },
    queue: { find: () => Promise.resolve(undefined) },
    clock,
  };
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
