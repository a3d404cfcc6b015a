import { Buffer } from "node:buffer";
import type { RunEvent } from "../domain/event.ts";
import { deepField, MAX_DEPTH } from "../domain/json.ts";
import { Trouble } from "../net/trouble.ts";

/** The most that an answer has, in bytes of JSON: ten times what the largest models write, or a picture. */
export const MAX_SIZE = 5 * 1024 * 1024;

/** The most parts of an answer: a client that sends it back may send as many. */
const MAX_PARTS = 1_000;

/** What a delta, and any value of another event, costs beside its text, in bytes. */
const DELTA = 8;
const VALUE = 100;

/** Keeps an answer within what can be stored, read and sent back. */
export class AnswerBounds {
  #size = 0;

  constructor(private readonly max = MAX_SIZE) {}

  /**
   * Counts the next event of an answer that has that many parts.
   * @throws {Trouble} `oversized` if it is too much, or nested too deep.
   */
  take(event: RunEvent, parts = 0): void {
    const added = this.#sizeOf(event, parts);
    this.#size += added;
    if (this.#size <= this.max) return;
    throw new Trouble("oversized", `sent an answer of more than ${this.max} bytes`);
  }

  /** Counts an event that is left out, if false, because it is too much. */
  takeIfFits(event: RunEvent, parts: number): boolean {
    try {
      const added = this.#sizeOf(event, parts);
      if (this.#size + added > this.max) return false;
      this.#size += added;
      return true;
    } catch (error) {
      if (error instanceof Trouble) return false;
      throw error;
    }
  }

  #sizeOf(event: RunEvent, parts: number): number {
    if ("text" in event) return bytesOf(event.text) + DELTA;
    if (deepField(event, MAX_DEPTH + 1) !== undefined) {
      throw new Trouble("oversized", `sent JSON nested deeper than ${MAX_DEPTH}`);
    }
    if (parts >= MAX_PARTS) {
      throw new Trouble("oversized", `sent an answer of more than ${MAX_PARTS} parts`);
    }
    return sizeOf(event);
  }
}

/** The bytes of a text as it is stored: of some characters many times as long as in memory. */
function bytesOf(text: string): number {
  return Buffer.byteLength(JSON.stringify(text));
}

/** The size of a value that is not deep. */
function sizeOf(value: unknown): number {
  if (typeof value === "string") return VALUE + bytesOf(value);
  if (typeof value !== "object" || value === null) return VALUE;
  let sum = VALUE;
  for (const [key, child] of Object.entries(value)) sum += bytesOf(key) + sizeOf(child);
  return sum;
}
