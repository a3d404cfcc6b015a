import type { RunEvent } from "../domain/event.ts";
import { NO_USAGE } from "../domain/usage.ts";
import type { Parts } from "./parts.ts";
import { refusal } from "./refusals.ts";
import { type RunStream, sizeOf } from "./run_stream.ts";

/** How often another process's run is looked at, in milliseconds. */
export const FOLLOW_EVERY = 200;

/** A run of which nothing comes is asked for its state at every look of so many. */
const STATE_EVERY = 5;

/** More events in one look, in characters, mean that the next ones are there already. */
const FULL = 16 * 1024;

/** After how many looks without a subscriber a run is looked at no more. */
const MAX_IDLE = 25;

/** The last event of a run whose log is gone before its end was read. */
const GONE: RunEvent = {
  type: "error",
  failure: {
    class: "internal",
    message: "The rest of this answer is gone: its chat was deleted.",
    retryable: false,
  },
  usage: NO_USAGE,
};

/** Where another process's run is read. */
export type FollowParts = {
  runs: Pick<Parts["runs"], "find">;
  events: Pick<Parts["events"], "read">;
  queue: Pick<Parts["queue"], "find">;
  clock: Parts["clock"];
};

/**
 * Publishes what another process makes of a run, or will make of a queued message, until the run ends,
 * nobody has read it for a while, or `over` is aborted.
 */
export async function follow(
  stream: RunStream,
  parts: FollowParts,
  over: AbortSignal,
): Promise<void> {
  let idle = 0;
  let quiet = 0;
  while (idle < MAX_IDLE) {
    const isDue = stream.head === 0 || quiet % STATE_EVERY === STATE_EVERY - 1;
    const seen = await look(stream, parts, isDue).catch(() => undefined);
    if (over.aborted) return;
    // While the database is out of reach, subscribers wait.
    const { events, ended } = seen ?? { events: [], ended: false };
    if (events.length > 0 || ended) stream.publish(events, ended);
    if (ended) return;
    quiet = events.length > 0 ? 0 : quiet + 1;
    const isBehind = events.reduce((sum, event) => sum + sizeOf(event), 0) > FULL;
    await parts.clock.sleep(isBehind ? 1 : FOLLOW_EVERY, over).catch(() => {});
    if (over.aborted) return;
    idle = stream.isWatched ? 0 : idle + 1;
  }
}

/**
 * What is new of a run, and whether that is the last of it. The ending is in the last page of its log,
 * so its state is asked for only if that is due and nothing came.
 */
async function look(
  stream: RunStream,
  { runs, events, queue }: FollowParts,
  isDue: boolean,
): Promise<{ events: RunEvent[]; ended: boolean }> {
  const { identity: { id, ownerId }, head } = stream;
  // The queue first: a message that begins in between is a run by then.
  const queued = head === 0 ? await queue.find(ownerId, id) : undefined;
  if (queued?.failure) return { events: refusal(queued.run, queued.failure), ended: true };
  if (queued) return { events: [], ended: false };
  const read = async () => (await events.read(id, head)).map(({ event }) => event);
  let page = await read();
  if (page.length === 0) {
    if (!isDue || (await runs.find(ownerId, id))?.state === "running") {
      return { events: [], ended: false };
    }
    // It may have ended in between.
    page = await read();
  }
  if (page.length > 0) return { events: page, ended: isEnd(page.at(-1)!) };
  return { events: head > 0 ? [GONE] : [], ended: true };
}

function isEnd({ type }: RunEvent): boolean {
  return type === "finish" || type === "error";
}
