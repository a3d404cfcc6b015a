import type { Clock } from "../domain/clock.ts";
import { AppError } from "../domain/errors.ts";

/** A body of at most this many bytes is never held up. */
const SMALL = 16 * 1024;

/** How long a body may wait for its turn, in milliseconds. */
const PATIENCE = 30_000;

/** A body that waits for its turn. */
interface Waiting {
  user: string;
  size: number;
  go: () => void;
}

/** Bounds the bytes of all bodies that are being read or handled; half of them are for one user. */
export class BodyGate {
  readonly #room: number;
  readonly #clock: Clock;
  readonly #held = new Map<string, number>();
  readonly #waiting = new Set<Waiting>();
  #total = 0;

  constructor(room: number, clock: Clock) {
    this.#room = room;
    this.#clock = clock;
  }

  /**
   * Resolves when a body of that size may be read. The result, called once, gives its room back.
   * @throws {AppError} `unavailable` if that takes too long.
   */
  async enter(user: string, size: number): Promise<() => void> {
    if (size <= SMALL) return () => {};
    if (!this.#fits(user, size)) await this.#turn(user, size);
    else this.#take(user, size);
    return () => {
      this.#take(user, -size);
      for (const waiting of this.#waiting) {
        if (!this.#fits(waiting.user, waiting.size)) continue;
        this.#waiting.delete(waiting);
        this.#take(waiting.user, waiting.size);
        waiting.go();
      }
    };
  }

  #fits(user: string, size: number): boolean {
    const own = this.#held.get(user) ?? 0;
    return (own === 0 || own + size <= this.#room / 2) &&
      (this.#total === 0 || this.#total + size <= this.#room);
  }

  #take(user: string, size: number): void {
    this.#total += size;
    const own = (this.#held.get(user) ?? 0) + size;
    if (own > 0) this.#held.set(user, own);
    else this.#held.delete(user);
  }

  async #turn(user: string, size: number): Promise<void> {
    const turn = Promise.withResolvers<void>();
    const came = new AbortController();
    const waiting = { user, size, go: turn.resolve };
    this.#waiting.add(waiting);
    this.#clock.sleep(PATIENCE, came.signal).then(() => {
      if (!this.#waiting.delete(waiting)) return;
      turn.reject(
        new AppError("unavailable", "Too many large requests at once", { retryAfter: 5 }),
      );
    }, () => {});
    await turn.promise.finally(() => came.abort());
  }
}
