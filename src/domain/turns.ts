/** A turn that takes longer is followed by a pause as long, in milliseconds. */
const LONG = 5;

/** Lets the work of many take turns, one after the other, with everything else of the process in between. */
export class Turns {
  #last: Promise<void> = Promise.resolve();

  /** Resolves when it is the caller's turn. */
  next(): Promise<void> {
    // After a timer the runtime looks at its sockets; after an immediate it may not for many turns.
    const timer = () =>
      new Promise<void>((resolve) => {
        const set = performance.now();
        setTimeout(() => {
          const late = performance.now() - set;
          // A request takes several looks of the runtime, and would wait for a long turn before each.
          if (late > LONG) setTimeout(resolve, late);
          else resolve();
        }, 0);
      });
    return this.#last = this.#last.then(timer);
  }
}
