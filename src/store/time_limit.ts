import type { Clock } from "../domain/clock.ts";
import { LateError } from "../domain/errors.ts";

/** How long to wait for an answer of the storage, in milliseconds. */
const LIMIT = 15_000;

/** How often to look for overdue answers, in milliseconds. */
const LOOK_EVERY = 2_500;

/** Rejects calls of the storage that take too long, so that nothing waits for ever. */
export class TimeLimit {
  readonly #clock: Clock;
  readonly #waiting = new Map<object, { due: number; reject: () => void }>();
  #isLooking = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The same ports, with a time limit on each method that gives a promise. */
  on<Ports extends Record<keyof Ports, object>>(ports: Ports): Ports {
    return mapped(ports, (port) => mapped(port, (member) => this.#limited(member)));
  }

  #limited(member: unknown): unknown {
    if (typeof member !== "function") return member;
    return (...args: unknown[]) => {
      const answer: unknown = member(...args);
      return answer instanceof Promise ? this.#limit(answer) : answer;
    };
  }

  #limit<T>(answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const call = {};
      const settled = answer.then(resolve, reject).finally(() => this.#waiting.delete(call));
      const due = this.#clock.elapsed() + LIMIT;
      this.#waiting.set(call, { due, reject: () => reject(overdue(settled)) });
      this.#look();
    });
  }

  async #look(): Promise<void> {
    if (this.#isLooking) return;
    this.#isLooking = true;
    while (this.#waiting.size > 0) {
      await this.#clock.sleep(LOOK_EVERY);
      for (const { due, reject } of this.#waiting.values()) {
        if (due <= this.#clock.elapsed()) reject();
      }
    }
    this.#isLooking = false;
  }
}

function overdue(settled: Promise<void>): LateError {
  const detail = "What was sent may be stored: send it again with its Idempotency-Key.";
  return new LateError("The database does not answer", { detail, retryAfter: 5 }, settled);
}

function mapped<T extends object>(value: T, change: (member: T[keyof T]) => unknown): T {
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [name, change(member)]),
  ) as T;
}
