/** What a command wrote, in bounded memory. */
import { OpenFile } from "./open_file.ts";
import { bytesIn } from "./page.ts";

/** How much of the beginning and of the end a result has, in bytes. */
const SHOWN = 16 * 1024;

/** How much of an output is kept for the model to read, in bytes. */
const KEPT = 16 * 1024 * 1024;

/** The last bytes of an output. */
export class Tail {
  readonly #buffer: Uint8Array;
  readonly #size: number;
  #end = 0;
  /** All bytes so far. */
  total = 0;

  constructor(size: number) {
    this.#size = size;
    this.#buffer = new Uint8Array(2 * size);
  }

  add(bytes: Uint8Array): void {
    this.total += bytes.length;
    const last = bytes.subarray(-this.#size);
    if (this.#end + last.length > this.#buffer.length) {
      const keep = this.#size - last.length;
      this.#buffer.copyWithin(0, this.#end - keep, this.#end);
      this.#end = keep;
    }
    this.#buffer.set(last, this.#end);
    this.#end += last.length;
  }

  /** The last bytes, up to `count`: fewer if there are not so many any more. */
  last(count: number): Uint8Array {
    const size = Math.max(0, Math.min(count, this.#size, this.total));
    return this.#buffer.slice(this.#end - size, this.#end);
  }
}

/** The output of one command: its beginning, its end, and the whole in a file if it is long. */
export class Transcript {
  readonly #tail = new Tail(SHOWN);
  #head = new Uint8Array();
  #file: OpenFile | undefined;
  #isFull = false;
  #written = 0;

  /** True once nothing more is kept. */
  get isFull(): boolean {
    return this.#isFull;
  }

  /** The file that has more than the result, if there is one. */
  get file(): OpenFile | undefined {
    return this.#file;
  }

  async take(bytes: Uint8Array): Promise<void> {
    const isLong = this.#tail.total + bytes.length > 2 * SHOWN;
    if (isLong && !this.#isFull) await this.#keep(bytes);
    const space = SHOWN - this.#head.length;
    if (space > 0) this.#head = joined([this.#head, bytes.subarray(0, space)]);
    this.#tail.add(bytes);
  }

  /** The last of it, as text. */
  end(bytes: number): string {
    return endOf(this.#tail.last(bytes));
  }

  /** All of it, or its beginning and its end with a note on how to read the rest. */
  text(name: string | undefined): string {
    const { total } = this.#tail;
    if (total <= 2 * SHOWN) return textOf(this.#whole());
    const left = bytesIn(total - 2 * SHOWN);
    const kept = this.#written < total ? `the first ${bytesIn(this.#written)}` : "all";
    const note = name === undefined ? "it was not kept" : `read "${name}" has ${kept} of it`;
    return `${textOf(this.#head, undefined, true)}\n[… ${left} left out: ${note} …]\n${
      this.end(SHOWN)
    }`;
  }

  #whole(): Uint8Array {
    return joined([this.#head, this.#tail.last(this.#tail.total - this.#head.length)]);
  }

  async #keep(bytes: Uint8Array): Promise<void> {
    try {
      if (!this.#file) {
        this.#file = OpenFile.unnamed();
        await this.#append(this.#whole());
      }
      await this.#append(bytes.subarray(0, KEPT - this.#written));
      this.#isFull = this.#written >= KEPT;
    } catch {
      // The disk is full, say: the result tells how much was kept.
      this.#isFull = true;
    }
  }

  async #append(bytes: Uint8Array): Promise<void> {
    await this.#file!.append(bytes);
    this.#written += bytes.length;
  }
}

/** Bytes of an output as text. If `isMore`, half a character at the end stays with the decoder. */
export function textOf(bytes: Uint8Array, decoder = new TextDecoder(), isMore = false): string {
  return decoder.decode(bytes, { stream: isMore }).replaceAll("\0", "\ufffd");
}

/** Bytes that are cut off at the beginning, without the rest of a character there. */
function endOf(bytes: Uint8Array): string {
  let at = 0;
  while (at < 3 && at < bytes.length && (bytes[at]! & 0xc0) === 0x80) at++;
  return textOf(bytes.subarray(at));
}

function joined(parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
