import type { Clock } from "../domain/clock.ts";
import { RunError } from "../domain/errors.ts";

/** Ends a call whose provider sends nothing for too long. One timer a call, not one a part. */
export class StallWatch {
  /** Aborted by the caller's signal, or by a stall. */
  readonly signal: AbortSignal;
  /** The stall, once there was one. */
  failure: RunError | undefined;
  readonly #clock: Clock;
  readonly #ended = new AbortController();
  #touched: number;

  constructor(clock: Clock, stallMs: number, provider: string, outer: AbortSignal) {
    const stalled = new AbortController();
    this.signal = AbortSignal.any([outer, stalled.signal]);
    this.#clock = clock;
    this.#touched = clock.now();
    this.#wait(stallMs).then(() => {
      this.failure = new RunError({
        class: "provider_stalled",
        message: `The provider "${provider}" sent nothing for ${stallMs / 1000} s.`,
        retryable: true,
      });
      stalled.abort(this.failure);
    }, () => {});
  }

  async #wait(stallMs: number): Promise<void> {
    for (let left = stallMs; left > 0; left = this.#touched + stallMs - this.#clock.now()) {
      await this.#clock.sleep(left, this.#ended.signal);
    }
  }

  /** The provider sent something. */
  touch(): void {
    this.#touched = this.#clock.now();
  }

  /** The call is over. */
  stop(): void {
    this.#ended.abort();
  }
}
