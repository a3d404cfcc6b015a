import { othersHadTheirTurn } from "./loop.ts";

/** Milliseconds for which a piece of work keeps the event loop. */
const TURN = 4;

/** Divides long work into turns, between which everything else has its own. */
export class Pauses {
  #begun = performance.now();

  /** Ends the turn if it has been long enough. */
  async next(): Promise<void> {
    if (performance.now() - this.#begun < TURN) return;
    await othersHadTheirTurn();
    this.#begun = performance.now();
  }
}

/** Does work that yields often, in turns. */
export async function inTurns<T>(work: Generator<void, T>): Promise<T> {
  const pauses = new Pauses();
  for (;;) {
    const step = work.next();
    if (step.done) return step.value;
    await pauses.next();
  }
}
