import type { Clock } from "../domain/clock.ts";

/** The first pause before another try and the longest, in milliseconds; each is twice the one before. */
const FIRST_PAUSE = 10;
const MAX_PAUSE = 250;

/** How often and how long work is tried that may fail for a moment. */
export interface Patience {
  /** For how long an error is met with another try, in milliseconds from the beginning; 0 for never. */
  forHowLong(error: unknown): number;
  /** When the beginning was, by the clock that nobody sets. */
  begun: number;
  clock: Clock;
}

/** What `work` gives, which is tried again after growing pauses. Processes that meet do not keep step. */
export async function patiently<T>(
  work: () => Promise<T>,
  { forHowLong, begun, clock }: Patience,
): Promise<T> {
  for (let pause = FIRST_PAUSE;; pause = Math.min(2 * pause, MAX_PAUSE)) {
    const wait = pause * (0.5 + Math.random());
    try {
      return await work();
    } catch (error) {
      if (clock.elapsed() + wait > begun + forHowLong(error)) throw error;
    }
    await clock.sleep(wait);
  }
}
