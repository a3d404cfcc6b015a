import { type Clock, NOT_NEEDED } from "../../domain/clock.ts";
import type { Json } from "../../domain/json.ts";

/** How long a call may take if it shows signs of life, in milliseconds. */
const IN_ALL = 600_000;

/** The time of one call: so long without a sign of life, and ten minutes in all. */
export class CallTime {
  readonly #done = new AbortController();
  readonly #late = new AbortController();
  readonly #begun: number;
  #until: number;

  constructor(private readonly ms: number, private readonly clock: Clock) {
    this.#begun = clock.elapsed();
    this.#until = this.#begun + ms;
    this.#wait();
  }

  /** Aborted once the time is over. */
  get signal(): AbortSignal {
    return this.#late.signal;
  }

  /** The seconds that have gone by. */
  get seconds(): number {
    return Math.round((this.clock.elapsed() - this.#begun) / 1000);
  }

  /** A sign of life. */
  extend(): void {
    const last = this.#begun + Math.max(IN_ALL, this.ms);
    this.#until = Math.min(this.clock.elapsed() + this.ms, last);
  }

  end(): void {
    this.#done.abort(NOT_NEEDED);
  }

  async #wait(): Promise<void> {
    try {
      for (let left = this.ms; left > 0; left = this.#until - this.clock.elapsed()) {
        await this.clock.sleep(left, this.#done.signal);
      }
      this.#late.abort("time limit");
    } catch {
      // The call has ended.
    }
  }
}

/** Milliseconds between two reports of progress, and the most of them in a call. */
const PACE = 200;
const MAX_REPORTS = 200;

/** Passes the newest progress on, now and then. */
export class ProgressPace {
  #last = -Infinity;
  #reports = 0;
  #newest: Json | undefined;

  constructor(
    private readonly report: (progress: Json) => void,
    private readonly clock: Clock,
    private readonly signal: AbortSignal,
  ) {}

  take(progress: Json): void {
    const isWaiting = this.#newest !== undefined;
    this.#newest = progress;
    if (isWaiting) return;
    const wait = this.#last + PACE - this.clock.elapsed();
    if (wait <= 0) return this.#pass();
    this.clock.sleep(wait, this.signal).then(() => this.#pass(), () => {});
  }

  #pass(): void {
    const progress = this.#newest;
    this.#newest = undefined;
    if (progress === undefined || this.signal.aborted || this.#reports === MAX_REPORTS) return;
    this.#reports++;
    this.#last = this.clock.elapsed();
    this.report(progress);
  }
}
