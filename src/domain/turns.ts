/** How long the work of all may keep the event loop before everything else has a turn, in milliseconds. */
const TURN = 4;

/** A turn that takes longer is followed by a pause as long, in milliseconds. */
const LONG = 5;

/**
 * Lets the work of many take turns, one after the other. As soon as they have kept the event loop for a
 * while, everything else of the process has its turn.
 */
export class Turns {
  #last: Promise<void> = Promise.resolve();
  #begun = -Infinity;

  /** Resolves when it is the caller's turn. */
  next(): Promise<void> {
    return this.#last = this.#last.then(() => this.#turn());
  }

  async #turn(): Promise<void> {
    const set = performance.now();
    if (set - this.#begun < TURN) return;
    // After a timer the runtime looks at its sockets; after an immediate it may not for many turns.
    await pause(0);
    const late = performance.now() - set;
    // A request takes several looks of the runtime, and would wait for a long turn before each.
    if (late > LONG) await pause(late);
    this.#begun = performance.now();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
