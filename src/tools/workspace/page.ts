/** Text by pages of lines, whatever the size of its file. */
import { Pauses } from "../../domain/pauses.ts";
import type { OpenFile } from "./open_file.ts";
import { Problem } from "./problem.ts";

/** The most of a page, in bytes. */
const PAGE_BYTES = 64 * 1024;

/** How much is read at once, in bytes. */
const CHUNK_BYTES = 64 * 1024;

/** How long lines are skipped to get to a page, in milliseconds. */
const SEARCH_MS = 10_000;

const NEWLINE = 10;

/** The lines to show. */
export interface PageRange {
  /** The first line, from 1. */
  offset: number;
  /** The most lines. */
  limit: number;
}

/** Lines of a file. */
interface Page {
  bytes: Uint8Array;
  /** The last line in it, or the line before the first if it has none. */
  last: number;
  /** True if more follows. */
  more: boolean;
  /** True if it has only the beginning of its one line. */
  isCut: boolean;
}

/** A page of a file as the model sees it, with a note on how to go on. @throws {Problem} */
export async function textPage(
  file: OpenFile,
  range: PageRange,
  signal: AbortSignal,
): Promise<string> {
  const beginning = new Uint8Array(8_192);
  const bytesRead = await file.read(beginning, 0);
  const page = bytesRead === 0 ? EMPTY : await readPage(file, range, signal);
  if (isBinary(beginning.subarray(0, bytesRead)) || isBinary(page.bytes)) {
    const { size } = file.stat();
    throw new Problem(`It is a binary file of ${bytesIn(size)}, which is not shown`);
  }
  if (page.last < range.offset) {
    if (page.last === 0) return "[The file is empty.]";
    throw new Problem(`The file has only ${page.last} lines`);
  }
  return decoded(page) + noteOn(page, range);
}

/** True for bytes that are no text. */
export function isBinary(bytes: Uint8Array): boolean {
  return bytes.includes(0);
}

/** A number of bytes, for people. */
export function bytesIn(size: number): string {
  return size === 1 ? "1 byte" : `${size.toLocaleString("en")} bytes`;
}

const EMPTY: Page = { bytes: new Uint8Array(), last: 0, more: false, isCut: false };

async function readPage(file: OpenFile, range: PageRange, signal: AbortSignal): Promise<Page> {
  const collecting = new Collecting(range);
  const chunk = new Uint8Array(CHUNK_BYTES);
  const pauses = new Pauses();
  const until = performance.now() + SEARCH_MS;
  for (let position = 0; !collecting.isFull;) {
    const bytesRead = await file.read(chunk, position);
    if (bytesRead === 0) return collecting.page(false);
    collecting.take(chunk.subarray(0, bytesRead));
    position += bytesRead;
    signal.throwIfAborted();
    if (performance.now() > until) {
      throw new Problem(`Line ${range.offset} is too far into the file to be looked for`);
    }
    await pauses.next();
  }
  return collecting.page(true);
}

/** The lines of a page, out of the chunks of its file. */
class Collecting {
  readonly #bytes = new Uint8Array(PAGE_BYTES);
  readonly #range: PageRange;
  #size = 0;
  /** Where the last whole line ends. */
  #whole = 0;
  /** Lines that ended so far, in the page or before it. */
  #lines = 0;
  #hasMore = false;
  isFull = false;

  constructor(range: PageRange) {
    this.#range = range;
  }

  take(chunk: Uint8Array): void {
    for (let at = 0; at < chunk.length && !this.isFull;) {
      const { offset, limit } = this.#range;
      if (this.#lines >= offset - 1 + limit) {
        this.isFull = true;
        return;
      }
      const newline = chunk.indexOf(NEWLINE, at);
      const end = newline < 0 ? chunk.length : newline + 1;
      this.#hasMore = true;
      if (this.#lines >= offset - 1) this.#add(chunk.subarray(at, end));
      if (this.isFull) return;
      if (newline >= 0) this.#endLine();
      at = end;
    }
  }

  page(isMore: boolean): Page {
    // The last line may have no newline.
    const isOpen = this.#hasMore && !isMore;
    const isCut = isMore && this.#whole === 0;
    const size = isMore && !isCut ? this.#whole : this.#size;
    const last = this.#lines + (isOpen || isCut ? 1 : 0);
    return { bytes: this.#bytes.subarray(0, size), last, more: isMore, isCut };
  }

  #add(bytes: Uint8Array): void {
    const space = PAGE_BYTES - this.#size;
    if (bytes.length > space) {
      this.isFull = true;
      // Of a line that no page can hold, the beginning is shown.
      if (this.#whole > 0) return;
      bytes = bytes.subarray(0, space);
    }
    this.#bytes.set(bytes, this.#size);
    this.#size += bytes.length;
  }

  #endLine(): void {
    this.#lines++;
    this.#whole = this.#size;
    this.#hasMore = false;
  }
}

function decoded({ bytes, isCut }: Page): string {
  // A cut may be inside a character, which then stays with the decoder.
  return new TextDecoder().decode(bytes, { stream: isCut });
}

function noteOn({ last, more, isCut }: Page, { offset }: PageRange): string {
  if (!more) return offset === 1 ? "" : `\n[Lines ${offset} to ${last}, the last.]`;
  const what = isCut
    ? `The first ${PAGE_BYTES / 1024} KiB of line ${offset}, which is longer`
    : `Lines ${offset} to ${last}`;
  return `\n[${what}. More follows: go on with offset ${last + 1}.]`;
}
