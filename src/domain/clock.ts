/** Where time and ids come from. Passed in everywhere, so that a test decides both. */

/** Wall-clock time and waiting. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Resolves after `ms` milliseconds; rejects with the signal's reason once it aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** Makes ids that no one can guess: lower-case UUIDs. */
export interface IdGenerator {
  uuid(): string;
}

/** True once `work` resolves, false where it takes longer than `ms` milliseconds; rejects as it does. */
export async function settlesWithin(
  work: Promise<unknown>,
  ms: number,
  clock: Clock,
): Promise<boolean> {
  const settled = new AbortController();
  const late = clock.sleep(ms, settled.signal).then(() => false, () => false);
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    settled.abort();
  }
}

/** The machine's own clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  sleep(ms, signal) {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      }, ms);
      signal?.addEventListener("abort", onAbort, { once: true });
    });
  },
};

/** Random version 4 UUIDs. */
export const randomIds: IdGenerator = { uuid: () => crypto.randomUUID() };
