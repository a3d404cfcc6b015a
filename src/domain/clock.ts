/** The sources of time and ids, injected so that tests control both. */

/** The time of day, for what is stored or shown; durations, which nobody can set back; and waiting. */
export interface Clock {
  /** Milliseconds since the Unix epoch. */
  now(): number;
  /** Milliseconds since a fixed moment in the past. Only differences mean something. */
  elapsed(): number;
  /** Resolves after `ms` milliseconds; rejects with the signal's reason once it aborts. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The reason to end a sleep that nobody waits for: without one, an error with its stack is made. */
export const NOT_NEEDED = "no longer needed";

/** Generates unguessable ids: lowercase UUIDs. */
export interface IdGenerator {
  uuid(): string;
}

/** True once `work` resolves, false after `ms` milliseconds; rejects if `work` does. */
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
    settled.abort(NOT_NEEDED);
  }
}

/**
 * Settles as `work` does. Once the signal is aborted, `work` is given `graceMs` more milliseconds; then
 * this rejects with the signal's reason.
 */
export async function settlesBefore<T>(
  work: Promise<T>,
  signal: AbortSignal,
  graceMs: number,
  clock: Clock,
): Promise<T> {
  const aborted = Promise.withResolvers<void>();
  const onAbort = () => aborted.resolve();
  signal.addEventListener("abort", onAbort);
  if (signal.aborted) onAbort();
  try {
    await Promise.race([work, aborted.promise]);
    if (signal.aborted && !await settlesWithin(work, graceMs, clock)) throw signal.reason;
    return await work;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** The machine's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const onAbort = () => {
        clearTimeout(timer);
        reject(signal?.reason);
      };
      const timer = setTimeout(() => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      }, ms);
      signal?.addEventListener("abort", onAbort);
    }),
};

/** Random version 4 UUIDs. */
export const randomIds: IdGenerator = { uuid: () => crypto.randomUUID() };
