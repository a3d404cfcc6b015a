import { type Clock, NOT_NEEDED } from "../domain/clock.ts";
import { RunError } from "../domain/errors.ts";
import { runFailure } from "./failure.ts";

/** Ends a call whose provider stays silent too long. One timer per call, not per part. */
export class StallWatch {
  /** Aborted by the caller's signal, by a stall, or at the end of the call. */
  readonly signal: AbortSignal;
  /** Set after a stall. */
  failure: RunError | undefined;
  readonly #clock: Clock;
  readonly #over = new AbortController();
  #touched: number;

  constructor(clock: Clock, stallMs: number, provider: string, outer: AbortSignal) {
    this.signal = AbortSignal.any([outer, this.#over.signal]);
    this.#clock = clock;
    this.#touched = clock.elapsed();
    this.#wait(stallMs).then(() => {
      const message = `The provider "${provider}" sent nothing for ${stallMs / 1000} s.`;
      this.failure = new RunError(runFailure("provider_stalled", message));
      this.#over.abort(this.failure);
    }, () => {});
  }

  async #wait(stallMs: number): Promise<void> {
    for (let left = stallMs; left > 0; left = this.#touched + stallMs - this.#clock.elapsed()) {
      await this.#clock.sleep(left, this.#over.signal);
    }
  }

  /** Notes that the provider sent something. */
  touch(): void {
    this.#touched = this.#clock.elapsed();
  }

  /** Ends the call and closes what is left of it. */
  close(): void {
    this.#over.abort(NOT_NEEDED);
  }
}
