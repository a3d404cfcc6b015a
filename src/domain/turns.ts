import { setImmediate } from "node:timers";
import { LOOKS, othersHadTheirTurn, socketsHadTheirTurn } from "./loop.ts";

/** Lets the work of many take turns, one after the other, with everything else of the process in between. */
export abstract class Turns {
  #last: Promise<void> = Promise.resolve();

  /** Resolves when it is the caller's turn. */
  next(): Promise<void> {
    return this.#last = this.#last.then(() => this.turn());
  }

  /** Resolves when the next turn may begin; called once the last one has. */
  protected abstract turn(): Promise<void>;
}

/** After so long, all else has the loop for a while behind long turns, in milliseconds. */
const ROUND = 8;

/** If all else has waited for longer, it gets as long a pause, in milliseconds. */
const LONG = 5;

/** Turns for work that takes a while each time, such as a page of the database: all else goes first. */
export class LongTurns extends Turns {
  #begun = 0;

  protected override async turn(): Promise<void> {
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

/** So long after a turn was given, its work may still be to come, in milliseconds. */
const JUST = 0.1;

/** A look of the runtime that takes no longer has found nothing that waits, in milliseconds. */
const QUIET = 0.12;

/** So many of these in a row end the turn of everything else: a request waits between its looks. */
const QUIET_LOOKS = 2;

/**
 * Turns for work that takes less than a millisecond, such as some bytes of an answer: everything else has
 * its turn once they have taken two, and only for as long as anything waits. If they take longer than they
 * should, they are long turns.
 */
export class ShortTurns extends Turns {
  /** When a turn was given, and when everything else had one. */
  #given = -Infinity;
  #shared = -Infinity;

  protected override async turn(): Promise<void> {
    const begun = performance.now();
    const since = begun - this.#given;
    // Whoever had a turn just before has not done its work.
    if (since < JUST) await new Promise((resolve) => setImmediate(resolve));
    if (performance.now() - this.#shared >= WORK) {
      await (since > LONG ? othersHadTheirTurn() : othersAreDone());
      const late = performance.now() - begun;
      // A request takes several looks of the runtime, and would wait for a long turn before each.
      if (late > LONG || since > LONG) await pause(late > LONG ? late : 0);
      this.#shared = performance.now();
    }
    this.#given = performance.now();
  }
}

/** Resolves once everything else had its turn, or nothing else waits. */
async function othersAreDone(): Promise<void> {
  let at = performance.now();
  for (let look = 0, quiet = 0; look < LOOKS && quiet < QUIET_LOOKS; look++) {
    await socketsHadTheirTurn();
    const now = performance.now();
    quiet = now - at < QUIET ? quiet + 1 : 0;
    at = now;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
