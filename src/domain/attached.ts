/**
 * Files in requests to models and in histories. A text has a placeholder for each, and the bytes are put
 * in while it is sent, piece by piece: no file is ever whole in memory, however large it is.
 */
import { Buffer } from "node:buffer";
import { release } from "./bytes.ts";

/** A file that a text names. */
export interface Attached {
  /** How often the text names it. */
  times: number;
  /** Its contents in base64, by pieces of whole groups of four characters. */
  base64(): AsyncIterable<string>;
}

/** The files of a text, by placeholder. */
export type AttachedFiles<F extends Attached = Attached> = ReadonlyMap<string, F>;

/** A file whose size is known, in bytes. */
export interface SizedFile extends Attached {
  size: number;
}

/** Matches a placeholder: in base64, or itself if a package decoded the contents. */
const PLACEHOLDER = /p[0-9a-f]{32}|c[DG][A-Za-z0-9+/]{42}/g;

/** Characters that are encoded at once. */
const PIECE = 256 * 1024;

/** A new placeholder, which nobody can guess, and the contents that stand for it in base64. */
export function newPlaceholder(): { placeholder: string; data: string } {
  const placeholder = `p${crypto.randomUUID().replaceAll("-", "")}`;
  return { placeholder, data: btoa(placeholder) };
}

/** Pieces of a file in base64; each but the last has whole groups of three bytes. */
export async function* base64Of(
  pieces: AsyncIterable<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<string> {
  for await (const piece of pieces) {
    const text = piece.toBase64();
    release(piece);
    yield text;
  }
}

/** What was read of files that a text names several times: each is read once. */
export type KeptFiles = Map<Attached, string[]>;

/** A text with the files inside that it has placeholders for, in UTF-8. */
export async function* withAttached(
  text: string,
  files: AttachedFiles,
  kept: KeptFiles = new Map(),
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let from = 0;
  for (const { index, length, file, isText } of placesIn(text, files)) {
    yield* encoded(text, from, index);
    from = index + length;
    const base64 = await read(file, kept);
    yield* isText ? textOf(base64) : bytesOf(base64);
  }
  yield* encoded(text, from, text.length);
}

/** How many bytes `withAttached` makes of a text. Files that are text are read for it. */
export async function lengthWithAttached(
  text: string,
  files: AttachedFiles<SizedFile>,
  kept: KeptFiles,
): Promise<number> {
  let sum = Buffer.byteLength(text);
  for (const { length, file, isText } of placesIn(text, files)) {
    sum -= length;
    if (!isText) sum += Math.ceil(file.size / 3) * 4;
    else for await (const piece of textOf(await read(file, kept))) sum += piece.length;
  }
  return sum;
}

/** Where a text has a placeholder. */
interface Place<F> {
  index: number;
  length: number;
  file: F;
  /** True for contents that a package decoded. */
  isText: boolean;
}

function* placesIn<F extends Attached>(
  text: string,
  files: AttachedFiles<F>,
): Generator<Place<F>> {
  for (const { 0: found, index } of files.size > 0 ? text.matchAll(PLACEHOLDER) : []) {
    const isText = found.startsWith("p");
    const file = files.get(isText ? found : atob(found));
    if (file) yield { index, length: found.length, file, isText };
  }
}

async function read(file: Attached, kept: KeptFiles): Promise<Pieces> {
  if (file.times === 1) return file.base64();
  let pieces = kept.get(file);
  if (!pieces) kept.set(file, pieces = await Array.fromAsync(file.base64()));
  return pieces;
}

function* encoded(text: string, from: number, to: number): Generator<Uint8Array<ArrayBuffer>> {
  const encoder = new TextEncoder();
  for (let at = from; at < to;) {
    let end = Math.min(at + PIECE, to);
    // A pair of surrogates is one character.
    if (end < to && /[\ud800-\udbff]/.test(text[end - 1]!)) end--;
    yield encoder.encode(text.slice(at, end));
    at = end;
  }
}

type Pieces = AsyncIterable<string> | Iterable<string>;

async function* bytesOf(pieces: Pieces): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for await (const piece of pieces) yield* encoded(piece, 0, piece.length);
}

/** The contents as text inside a JSON string. */
async function* textOf(pieces: Pieces): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const decoder = new TextDecoder();
  const encoder = new TextEncoder();
  const inJson = (text: string) => encoder.encode(JSON.stringify(text).slice(1, -1));
  for await (const piece of pieces) {
    yield inJson(decoder.decode(Uint8Array.fromBase64(piece), { stream: true }));
  }
  yield inJson(decoder.decode());
}
