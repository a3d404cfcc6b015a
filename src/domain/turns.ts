import { hadItsTurn, LOOKS, othersHadTheirTurn } from "./loop.ts";

/** Lets the work of many take turns, one after the other, with everything else of the process in between. */
export interface Turns {
  /** Resolves when it is the caller's turn. */
  next(): Promise<void>;
}

/** After so long in which something always waited, all else has the loop for a while, in milliseconds. */
const ROUND = 8;

/** What keeps the loop for longer is followed by a pause as long, in milliseconds. */
const LONG = 5;

/** Turns for work that takes a while each time, such as a page of the database: each is a pause for it. */
export class LongTurns implements Turns {
  #last: Promise<void> = Promise.resolve();
  #begun = 0;

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

/** For how long short turns follow each other before everything else has one, in milliseconds. */
const WORK = 2;

/** A look of the runtime that takes no longer has found nothing that waits, in milliseconds. */
const QUIET = 0.12;

/**
 * Turns for work that takes less than a millisecond, such as some bytes of an answer: everything else has
 * its turn once they have taken two, and only for as long as anything waits.
 */
export class ShortTurns implements Turns {
  #last: Promise<void> = Promise.resolve();
  /** When everything else had its turn. */
  #shared = -Infinity;
  /** When nothing else waited. */
  #quiet = -Infinity;

  next(): Promise<void> {
    return this.#last = this.#last.then(() => this.#turn());
  }

  async #turn(): Promise<void> {
    const begun = performance.now();
    if (begun - this.#shared < WORK) return;
    await this.#share(begun);
    this.#shared = performance.now();
  }

  async #share(begun: number): Promise<void> {
    for (let look = 0, at = begun; look < LOOKS; look++) {
      await hadItsTurn();
      const now = performance.now();
      if (now - at < QUIET) {
        this.#quiet = now;
        return;
      }
      at = now;
    }
    const late = performance.now() - begun;
    if (late <= LONG && begun - this.#quiet < ROUND) return;
    await pause(late > LONG ? late : 0);
    this.#quiet = performance.now();
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
