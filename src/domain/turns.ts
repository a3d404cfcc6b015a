import { othersHadTheirTurn } from "./loop.ts";

/** How long turns follow each other closely before all else has the loop for a while, in milliseconds. */
const ROUND = 8;

/** A turn that takes longer is followed by a pause as long, in milliseconds. */
const LONG = 5;

/** Lets the work of many take turns, one after the other, with everything else of the process in between. */
export class Turns {
  #last: Promise<void> = Promise.resolve();
  #begun = 0;

  /** Resolves when it is the caller's turn. */
  next(): Promise<void> {
    return this.#last = this.#last.then(() => this.#turn());
  }

  async #turn(): Promise<void> {
    const ended = performance.now();
    const isRound = ended - this.#begun >= ROUND;
    // A timer comes no sooner than after 2 ms.
    await (isRound ? pause(0) : othersHadTheirTurn());
    const late = performance.now() - ended;
    // A request takes several looks of the runtime, and would wait for a long turn before each.
    if (late > LONG) await pause(late);
    if (isRound || late > LONG) this.#begun = performance.now();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
