import type { Clock } from "../domain/clock.ts";
import { RunError } from "../domain/errors.ts";

/** Ends a call whose provider sends nothing for too long. One timer a call, not one a part. */
export class StallWatch {
  /** Aborted by the caller's signal, by a stall, or when the call is over. */
  readonly signal: AbortSignal;
  /** The stall, once there was one. */
  failure: RunError | undefined;
  readonly #clock: Clock;
  readonly #over = new AbortController();
  #touched: number;

  constructor(clock: Clock, stallMs: number, provider: string, outer: AbortSignal) {
    this.signal = AbortSignal.any([outer, this.#over.signal]);
    this.#clock = clock;
    this.#touched = clock.now();
    this.#wait(stallMs).then(() => {
      this.failure = new RunError({
        class: "provider_stalled",
        message: `The provider "${provider}" sent nothing for ${stallMs / 1000} s.`,
        retryable: true,
      });
      this.#over.abort(this.failure);
    }, () => {});
  }

  async #wait(stallMs: number): Promise<void> {
    for (let left = stallMs; left > 0; left = this.#touched + stallMs - this.#clock.now()) {
      await this.#clock.sleep(left, this.#over.signal);
    }
  }

  /** The provider sent something. */
  touch(): void {
    this.#touched = this.#clock.now();
  }

  /** The call is over: closes what is left of it. */
  close(): void {
    this.#over.abort();
  }
}
