import { interruptedEnd } from "../domain/attempt.ts";
import type { Clock } from "../domain/clock.ts";
import type { Ledger, RunStore } from "../domain/ports.ts";
import type { Logger } from "../observe/log.ts";

/** What upkeep needs. */
export interface UpkeepParts {
  runs: RunStore;
  ledger: Ledger;
  clock: Clock;
  log: Logger;
  /** How long the log of an ended run is kept, in milliseconds. */
  logMs: number;
}

/** How often it is tidied up, in milliseconds. */
const EVERY = 60_000;

/** Between two steps of removing logs, so that live runs come first, in milliseconds. */
const PAUSE = 20;

/** How long an `Idempotency-Key` is known, in milliseconds. */
const KEY_TTL = 24 * 3_600_000;

/** Longer than any title takes: one that is still open was left by a crash. */
const TITLE_TTL = 10 * 60_000;

/** Removes what is no longer needed, now and then, until it is closed. */
export function keepTidy(parts: UpkeepParts): { close(): void } {
  const ended = new AbortController();
  const run = async () => {
    while (!ended.signal.aborted) {
      await tidy(parts, ended.signal).catch((error) => {
        if (ended.signal.aborted) return;
        parts.log.log("warn", "tidying up failed", { reason: String(error) });
      });
      await parts.clock.sleep(EVERY, ended.signal);
    }
  };
  run().catch(() => {});
  return { close: () => ended.abort() };
}

async function tidy(
  { runs, ledger, clock, logMs }: UpkeepParts,
  signal: AbortSignal,
): Promise<void> {
  const now = clock.now();
  for await (const _ of runs.expireLogs(now - logMs)) await clock.sleep(PAUSE, signal);
  await runs.expireKeys(now - KEY_TTL);
  await ledger.closeTitles(now - TITLE_TTL, interruptedEnd(now));
}
