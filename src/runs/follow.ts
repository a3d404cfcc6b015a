import type { RunEvent } from "../domain/event.ts";
import { NO_USAGE } from "../domain/usage.ts";
import type { Parts } from "./parts.ts";
import { refusal } from "./refusals.ts";
import { type RunStream, sizeOf } from "./run_stream.ts";

/** How often another process's run is looked at, in milliseconds. */
export const FOLLOW_EVERY = 200;

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
  while (idle < MAX_IDLE) {
    const seen = await look(stream, parts).catch(() => undefined);
    if (over.aborted) return;
    // While the database is out of reach, subscribers wait.
    const { events, ended } = seen ?? { events: [], ended: false };
    if (events.length > 0 || ended) stream.publish(events, ended);
    if (ended) return;
    const isBehind = events.reduce((sum, event) => sum + sizeOf(event), 0) > FULL;
    await parts.clock.sleep(isBehind ? 1 : FOLLOW_EVERY, over).catch(() => {});
    if (over.aborted) return;
    idle = stream.isWatched ? 0 : idle + 1;
  }
}

/** What is new of a run, and whether that is the last of it. */
async function look(
  { identity: { id, ownerId }, head }: RunStream,
  { runs, events, queue }: FollowParts,
): Promise<{ events: RunEvent[]; ended: boolean }> {
  // The queue first: a message that begins in between is a run by then.
  const queued = head === 0 ? await queue.find(ownerId, id) : undefined;
  if (queued?.failure) return { events: refusal(queued.run, queued.failure), ended: true };
  const state = (await runs.find(ownerId, id))?.state;
  const page = (await events.read(id, head)).map(({ event }) => event);
  const isOver = !queued && state !== "running";
  // The ending of a run is in the last page of its log, unless that is gone.
  if (isOver && page.length === 0) return { events: head > 0 ? [GONE] : [], ended: true };
  return { events: page, ended: isOver && isEnd(page.at(-1)!) };
}

function isEnd({ type }: RunEvent): boolean {
  return type === "finish" || type === "error";
}
