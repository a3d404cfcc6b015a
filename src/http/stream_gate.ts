import { AppError } from "../domain/errors.ts";

/** Bounds the open streams, of one user and of all. */
export class StreamGate {
  readonly #open = new Map<string, number>();
  #total = 0;

  constructor(readonly limits: { streams: number; streamsPerUser: number }) {}

  /**
   * Takes a place for a stream of that user; the result gives it back, once.
   * @throws {AppError} `too_many_requests` where there is none.
   */
  enter(principalId: string): () => void {
    const own = this.#open.get(principalId) ?? 0;
    if (own >= this.limits.streamsPerUser || this.#total >= this.limits.streams) {
      throw new AppError("too_many_requests", "Too many open streams", {
        detail: own >= this.limits.streamsPerUser
          ? `You have ${own} streams open; ${this.limits.streamsPerUser} may be.`
          : `The server has ${this.#total} streams open; no more may be.`,
        retryAfter: 5,
      });
    }
    this.#open.set(principalId, own + 1);
    this.#total++;
    let inside = true;
    return () => {
      if (!inside) return;
      inside = false;
      this.#total--;
      const left = this.#open.get(principalId)! - 1;
      if (left > 0) this.#open.set(principalId, left);
      else this.#open.delete(principalId);
    };
  }
}
