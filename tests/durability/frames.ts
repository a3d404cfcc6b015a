/** A run's log as the bytes that it is on the wire. */
import type { LoggedEvent } from "../../src/domain/event.ts";
import { dataStream } from "../../src/wire/data_stream.ts";
import type { Random } from "../kit/random.ts";

/** The frames of a log. The data stream has no numbers in it, and for some events no word at all. */
export class Frames {
  /** The number of the last event. */
  readonly head: number;
  readonly whole: Uint8Array;
  /** Where the bytes of event n end, at index n. */
  readonly #ends = [0];

  constructor(events: readonly LoggedEvent[]) {
    const encoder = new TextEncoder();
    let text = "";
    let length = 0;
    for (const [index, event] of events.entries()) {
      if (event.seq !== index + 1) throw new Error(`event ${event.seq} stands at ${index + 1}`);
      const frame = dataStream.encode(event, "run");
      text += frame;
      length += encoder.encode(frame).length;
      this.#ends.push(length);
    }
    this.head = events.length;
    this.whole = encoder.encode(text);
  }

  /** The bytes behind an event. */
  behind(event: number): Uint8Array {
    return this.whole.subarray(this.endOf(event));
  }

  /** Where the bytes of an event end. */
  endOf(event: number): number {
    return this.#ends[event]!;
  }

  /** A number that a client with so many bytes may go on from: any whose last whole frame it has. */
  reachedBy(length: number, random: Random): number {
    const last = this.#ends.findLastIndex((end) => end <= length);
    const first = this.#ends.indexOf(this.#ends[last]!);
    return random.between(first, last);
  }
}

/** Pieces put together. */
export function joined(...pieces: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
