import { othersHadTheirTurn } from "./loop.ts";

/** How long the work of all may keep the event loop before everything else has a turn, in milliseconds. */
const TURN = 4;

/** A turn that takes longer is followed by a pause as long, in milliseconds. */
const LONG = 5;

/**
 * Lets the work of many take turns, one after the other. Once they have kept the event loop for a while,
 * everything else of the process has its turn.
 */
export class Turns {
  #last: Promise<void> = Promise.resolve();
  /** When the event loop was free last, as far as was seen. */
  #begun = 0;
  /** Resolves when it is free again; undefined until then if nothing was done since. */
  #free: Promise<void> | undefined;

  /** Resolves when it is the caller's turn. */
  next(): Promise<void> {
    return this.#last = this.#last.then(() => this.#turn());
  }

  #turn(): Promise<void> | void {
    if (this.#free && performance.now() - this.#begun >= TURN) return this.#free;
    this.#free ??= this.#look().finally(() => this.#free = undefined);
  }

  async #look(): Promise<void> {
    this.#begun = performance.now();
    await othersHadTheirTurn();
    const late = performance.now() - this.#begun;
    // A request takes several looks of the runtime, and would wait for a long turn before each.
    if (late > LONG) await new Promise((resolve) => setTimeout(resolve, late));
  }
}
