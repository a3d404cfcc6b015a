import type { Clock } from "../../domain/clock.ts";
import { Trouble } from "../../net/trouble.ts";

const MIB = 1024 * 1024;

/** The most bytes of one message: a file of 16 MiB in base64, and what is around it. */
const MAX_BYTES = 24 * MIB;
/** The most values in one message: parsing a million takes half a second. */
const MAX_VALUES = 100_000;
const MAX_DEPTH = 128;
/** The most lines of one event. */
const MAX_LINES = 10_000;

/** What may come within `WINDOW` milliseconds. */
const WINDOW = 10_000;
const MAX_MESSAGES = 20_000;
const MAX_TOTAL = 256 * MIB;

const [LF, CR, QUOTE, COMMA, BACKSLASH] = [0x0a, 0x0d, 0x22, 0x2c, 0x5c];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

/** Bounds what a server sends in a while, by all its streams together. */
export class Flood {
  #since: number;
  #messages = 0;
  #bytes = 0;

  constructor(private readonly clock: Clock) {
    this.#since = clock.elapsed();
  }

  /** @throws {Trouble} `oversized` once there is too much. */
  count(messages: number, bytes: number): void {
    const now = this.clock.elapsed();
    if (now - this.#since >= WINDOW) {
      this.#since = now;
      this.#messages = this.#bytes = 0;
    }
    this.#messages += messages;
    this.#bytes += bytes;
    if (this.#messages > MAX_MESSAGES) throw tooMuch(`${MAX_MESSAGES} messages`);
    if (this.#bytes > MAX_TOTAL) throw tooMuch(`${MAX_TOTAL / MIB} MiB`);
  }
}

function tooMuch(what: string): Trouble {
  return new Trouble("oversized", `sent more than ${what} within ${WINDOW / 1000} s`);
}

/** What ends a message in a stream: a line, an empty line (server-sent events), or the stream's end. */
export type MessageEnd = "line" | "empty line" | "end";

/** Looks at the bytes of a stream of messages before anything keeps or parses them. */
export class MessageBounds {
  #bytes = 0;
  #values = 0;
  #depth = 0;
  #inText = false;
  #escaped = false;
  #lines = 0;
  #lineIsEmpty = true;
  #last = 0;

  constructor(private readonly end: MessageEnd, private readonly flood: Flood) {}

  /** @throws {Trouble} `oversized` once a message, or all of them, are beyond the bounds. */
  scan(chunk: Uint8Array): void {
    let messages = 0;
    for (const byte of chunk) {
      this.#bytes++;
      if (byte === LF || byte === CR) {
        if (this.#endLine(byte)) messages++;
      } else this.#look(byte);
      this.#last = byte;
    }
    this.#check();
    this.flood.count(messages, chunk.length);
  }

  #look(byte: number): void {
    this.#lineIsEmpty = false;
    if (this.#inText) {
      if (this.#escaped) this.#escaped = false;
      else if (byte === BACKSLASH) this.#escaped = true;
      else if (byte === QUOTE) this.#inText = false;
    } else if (byte === QUOTE) this.#inText = true;
    else if (byte === COMMA) this.#values++;
    else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
      this.#values++;
      if (++this.#depth > MAX_DEPTH) this.#check();
    } else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) this.#depth--;
  }

  /** True if the line's end is a message's. */
  #endLine(byte: number): boolean {
    // No text of JSON goes over a line's end, and what is no JSON may have any number of quotes.
    this.#inText = this.#escaped = false;
    if (byte === LF && this.#last === CR) return false;
    const isEnd = this.end === "line" || (this.end === "empty line" && this.#lineIsEmpty);
    this.#lineIsEmpty = true;
    this.#lines++;
    if (!isEnd) return false;
    this.#check();
    this.#bytes =
      this.#values =
      this.#depth =
      this.#lines =
        0;
    return true;
  }

  #check(): void {
    const beyond = this.#bytes > MAX_BYTES
      ? `of more than ${MAX_BYTES / MIB} MiB`
      : this.#values > MAX_VALUES
      ? `of more than ${MAX_VALUES} values`
      : this.#lines > MAX_LINES && this.end === "empty line"
      ? `of more than ${MAX_LINES} lines`
      : this.#depth > MAX_DEPTH
      ? `nested deeper than ${MAX_DEPTH}`
      : undefined;
    if (beyond !== undefined) throw new Trouble("oversized", `sent a message ${beyond}`);
  }
}
