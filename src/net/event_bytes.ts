import { JsonShape } from "./json_shape.ts";
import { Trouble } from "./trouble.ts";

/** The most bytes of one event. */
const MAX_EVENT = 4 * 1024 * 1024;

/** The most lines of data that one event has. */
const MAX_LINES = 1_000;

/** How deeply an event may be nested: 64 levels of arguments, in what a provider wraps around them. */
const MAX_DEPTH = 96;

/** The room for events, in bytes: at first, for thousands of streams that wait; and after a large one. */
const START = 1024;
const ROOM = 32 * 1024;

const [LF, CR] = [0x0a, 0x0d];
const BOM = [0xef, 0xbb, 0xbf];

const decoder = new TextDecoder();

/** The fields that mean something to a reader of answers. */
const DATA = new TextEncoder().encode("data:");
const FIELDS = [DATA, new TextEncoder().encode("event:")];

/**
 * Cuts a stream of server-sent events between its events, in one pass. What it gives has whole events
 * only, with lines that end with LF, and nothing but their data and names: no reader behind it has to
 * search any byte twice, and none sees comments or fields without meaning.
 */
export class EventBytes {
  #bytes = new Uint8Array(START);
  /** The bytes taken so far, up to the end of the last whole event, and to the begin of the line. */
  #length = 0;
  #whole = 0;
  #line = 0;
  #lines = 0;
  /** Where the line's value begins that is not looked at yet; its begin while its field is not whole. */
  #seen = 0;
  /** The field of the line; null if it means nothing, undefined at its begin. */
  #field: Uint8Array | null | undefined;
  #afterCr = false;
  #read = 0;
  readonly #shape: JsonShape;

  /** `values`: the most values that the JSON of one event may have. */
  constructor(values: number) {
    this.#shape = new JsonShape({ depth: MAX_DEPTH, values });
  }

  /** @throws {Trouble} `oversized` once an event is beyond the limits. */
  push(chunk: Uint8Array): void {
    let from = 0;
    for (let at = 0; at < chunk.length; at++) {
      const byte = chunk[at]!;
      if (byte !== LF && byte !== CR) {
        this.#afterCr = false;
        continue;
      }
      this.#add(chunk, from, at);
      if (byte === CR || !this.#afterCr) this.#endLine();
      this.#afterCr = byte === CR;
      from = at + 1;
    }
    this.#add(chunk, from, chunk.length);
  }

  /** The text of the whole events that have come; undefined if there are none. */
  take(): string | undefined {
    if (this.#whole === 0) return undefined;
    const events = decoder.decode(this.#bytes.subarray(0, this.#whole));
    const rest = this.#bytes.subarray(this.#whole, this.#length);
    if (this.#bytes.length > ROOM && rest.length <= ROOM) {
      this.#bytes = new Uint8Array(ROOM);
      this.#bytes.set(rest);
    } else this.#bytes.copyWithin(0, this.#whole, this.#length);
    this.#length -= this.#whole;
    this.#line -= this.#whole;
    this.#seen -= this.#whole;
    this.#whole = 0;
    return events;
  }

  /** No more will come: an event that is not whole is given as it is. */
  end(): void {
    this.#whole = this.#length;
  }

  #add(chunk: Uint8Array, from: number, to: number): void {
    if (this.#read < BOM.length) {
      for (; from < to && this.#read < BOM.length && chunk[from] === BOM[this.#read]; from++) {
        this.#read++;
      }
    }
    if (from === to) return;
    this.#read = BOM.length;
    if (this.#field === undefined) {
      this.#field = FIELDS.find(([first]) => first === chunk[from]) ?? null;
    }
    if (this.#field === null) return;
    this.#reserve(to - from);
    this.#bytes.set(chunk.subarray(from, to), this.#length);
    this.#length += to - from;
    this.#look(this.#field);
  }

  /** Looks at what is new in the line; one whose field means nothing is dropped. */
  #look(field: Uint8Array): void {
    if (this.#seen === this.#line) {
      if (this.#length - this.#line < field.length) return;
      if (!field.every((byte, at) => this.#bytes[this.#line + at] === byte)) return this.#drop();
      this.#seen += field.length;
    }
    if (field === DATA) this.#shape.scan(this.#bytes, this.#seen, this.#length);
    this.#seen = this.#length;
  }

  #drop(): void {
    this.#length = this.#line;
    this.#field = null;
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed - this.#whole > MAX_EVENT) {
      throw new Trouble("oversized", `sent an event of more than ${MAX_EVENT} bytes`);
    }
    // Two more for the ends of a line and of an event.
    if (needed + 2 <= this.#bytes.length) return;
    const room = needed < ROOM / 2 ? 2 * needed : needed + ROOM / 2 + (needed >> 2);
    // Gives the old buffer back at once, rather than to the garbage collector some day.
    this.#bytes = new Uint8Array(this.#bytes.buffer.transfer(room));
  }

  #endLine(): void {
    if (this.#field === undefined) this.#endEvent();
    else if (this.#seen === this.#line) this.#drop();
    else {
      if (++this.#lines > MAX_LINES) {
        throw new Trouble("oversized", `sent an event of more than ${MAX_LINES} lines`);
      }
      this.#bytes[this.#length++] = LF;
      // Some servers leave out the empty line between events.
      if (this.#field === DATA && this.#shape.isWhole) this.#endEvent();
    }
    this.#line = this.#seen = this.#length;
    this.#field = undefined;
  }

  #endEvent(): void {
    if (this.#length > this.#whole) this.#bytes[this.#length++] = LF;
    this.#whole = this.#length;
    this.#lines = 0;
    this.#shape.reset();
  }
}
