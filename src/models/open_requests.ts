import type { Turns } from "../domain/turns.ts";

/** What is known of requests to providers beside their answers, by the signals of the requests. */
export class OpenRequests {
  readonly #onBytes = new WeakMap<AbortSignal, () => void>();
  readonly #reasons = new WeakMap<AbortSignal, unknown>();

  /** Calls `onBytes` for all that comes on that request, whatever it means. */
  watch(signal: AbortSignal, onBytes: () => void): void {
    this.#onBytes.set(signal, onBytes);
  }

  /** Bytes have come. */
  heard(signal: AbortSignal | null | undefined): void {
    if (signal) this.#onBytes.get(signal)?.();
  }

  /**
   * The answer's body ended in the middle. A stream that fails discards what waits in it, so the SDK's
   * bodies just end, and whoever has read one to its end asks here.
   */
  broke(signal: AbortSignal | null | undefined, reason: unknown): void {
    if (signal) this.#reasons.set(signal, reason);
  }

  /** Why a body broke; undefined if it did not. */
  reasonOf(signal: AbortSignal): unknown {
    return this.#reasons.get(signal);
  }
}

/** What the requests to all providers share. */
export interface SharedLines {
  /** Taken by answers that come faster than everybody else can be served. */
  turns: Turns;
  requests: OpenRequests;
}
