import { interruptedEnd } from "../domain/attempt.ts";
import type { Parts } from "./parts.ts";

type Needed = Pick<
  Parts,
  "chats" | "events" | "keys" | "attempts" | "ownership" | "clock" | "logger" | "logMs"
>;

/** How often upkeep runs, in milliseconds. */
const EVERY = 60_000;

/** The pause between two steps of a removal, in milliseconds, so that live runs come first. */
const PAUSE = 20;

/** How long an `Idempotency-Key` is known, in milliseconds. */
const KEY_TTL = 24 * 3_600_000;

/** Longer than any title takes: one that is still open was left by a crash, whichever process made it. */
const TITLE_TTL = 10 * 60_000;

/** Longer than any fork takes, whichever process makes it. */
const FORK_TTL = 10 * 60_000;

/** Removes what is no longer needed from time to time, until it is closed. */
export function keepTidy(parts: Needed): { close(): void } {
  const ended = new AbortController();
  const run = async () => {
    while (!ended.signal.aborted) {
      await tidy(parts, ended.signal).catch((error) => {
        if (ended.signal.aborted) return;
        parts.logger.log("warn", "upkeep failed", { reason: String(error) });
      });
      await parts.clock.sleep(EVERY, ended.signal);
    }
  };
  run().catch(() => {});
  return { close: () => ended.abort() };
}

async function tidy(
  { chats, events, keys, attempts, ownership, clock, logMs }: Needed,
  signal: AbortSignal,
): Promise<void> {
  const now = clock.now();
  await attempts.closeTitles(Math.max(ownership.aloneSince, now - TITLE_TTL), interruptedEnd(now));
  await chats.removeUnfinished(now - FORK_TTL);
  const removals = [chats.removeRest(), events.expire(now - logMs), keys.expire(now - KEY_TTL)];
  for (const steps of removals) {
    for await (const _ of steps) await clock.sleep(PAUSE, signal);
  }
}
