import type { Clock } from "../domain/clock.ts";

/** Asks at most once a second: who comes sooner gets the last answer. */
export function atMostOnceASecond<T>(ask: () => Promise<T>, clock: Clock): () => Promise<T> {
  let last: { at: number; answer: Promise<T> } | undefined;
  return () => {
    if (!last || clock.elapsed() - last.at >= 1_000) last = { at: clock.elapsed(), answer: ask() };
    return last.answer;
  };
}
