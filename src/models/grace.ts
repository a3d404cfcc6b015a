/**
 * How long a finished answer waits for the count of its tokens, and for the end of a stream that has
 * brought all, in milliseconds.
 */
const USAGE_GRACE = 2_000;
const END_GRACE = 200;

/** How long an answer that its dialect has ended is still read. */
export class Grace {
  #finishedAt: number | undefined;

  /** The answer is finished: what may still come is the count of its tokens. */
  begin(): void {
    this.#finishedAt ??= performance.now();
  }

  /** Milliseconds left; undefined if the answer is not finished. `counted`: the tokens have come. */
  left(counted: boolean): number | undefined {
    if (this.#finishedAt === undefined) return undefined;
    const grace = counted ? END_GRACE : USAGE_GRACE;
    return Math.max(0, this.#finishedAt + grace - performance.now());
  }
}
