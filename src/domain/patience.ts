import type { Clock } from "./clock.ts";

/** The first pause before another try and the longest, in milliseconds; each is twice the one before. */
const FIRST_PAUSE = 10;
const MAX_PAUSE = 250;

/** How long work is tried that may fail for a moment. */
export interface Patience {
  /** Until when an error is met with another try, by the clock that nobody sets; 0 for never. */
  until(error: unknown): number;
  clock: Clock;
  /** Ends the pause before another try. */
  signal?: AbortSignal;
}

/**
 * What `work` gives, which is tried again after growing pauses. Processes that meet do not keep step.
 * Rejects with the last error, or with the signal's reason.
 */
export async function patiently<T>(
  work: () => Promise<T>,
  { until, clock, signal }: Patience,
): Promise<T> {
  for (let pause = FIRST_PAUSE;; pause = Math.min(2 * pause, MAX_PAUSE)) {
    const wait = pause * (0.5 + Math.random());
    try {
      return await work();
    } catch (error) {
      if (clock.elapsed() + wait > until(error)) throw error;
    }
    await clock.sleep(wait, signal);
  }
}
