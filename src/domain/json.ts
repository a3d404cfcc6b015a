import { Pauses } from "./pauses.ts";

/** A value that survives JSON unchanged. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

export type JsonObject = { [key: string]: Json };

/** The deepest nesting of JSON from outside: code that recurses over it cannot overflow the stack. */
export const MAX_DEPTH = 64;

/** The most values of JSON from outside, names included: parsing a million takes half a second. */
const MAX_VALUES = 100_000;

/** How much of a long text is scanned at once. */
const SLICE = 256 * 1024;

/**
 * The field of a value that is nested too deep, by its first names; undefined if none is. Does not
 * recurse: deep values overflow the stack.
 */
export function deepField(value: unknown, depth = MAX_DEPTH): string | undefined {
  interface Place {
    value: object;
    in: Place | undefined;
  }
  let level: Place[] = isContainer(value) ? [{ value, in: undefined }] : [];
  for (let at = 0; at <= depth; at++) {
    const next: Place[] = [];
    for (const place of level) {
      for (const child of Object.values(place.value)) {
        if (isContainer(child)) next.push({ value: child, in: place });
      }
    }
    if (next.length === 0) return undefined;
    level = next;
  }
  const names: string[] = [];
  for (let { value, in: parent } = level[0]!; parent; { value, in: parent } = parent) {
    names.unshift(Object.entries(parent.value).find(([, child]) => child === value)![0]);
  }
  return names.slice(0, 8).join(".");
}

function isContainer(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/**
 * Parses JSON from outside, which may be long and wide. Other work has its turn meanwhile.
 * @throws {JsonExcess} if it has too many values.
 * @throws {SyntaxError} if it is not JSON; `TypeError` if bytes are not UTF-8.
 */
export async function parseJson(source: string | Uint8Array): Promise<unknown> {
  const pauses = new Pauses();
  const scan = new JsonScan();
  const isText = typeof source === "string";
  const bytes = isText ? new TextEncoder().encode(source) : source;
  for (let at = 0; at < bytes.length; at += SLICE) {
    scan.push(bytes.subarray(at, at + SLICE));
    await pauses.next();
  }
  const text = isText ? source : decodeUtf8(bytes);
  await pauses.next();
  const value = JSON.parse(text);
  await pauses.next();
  return value;
}

/** Text from UTF-8. @throws {TypeError} if the bytes are not that. */
function decodeUtf8(bytes: Uint8Array): string {
  // A fatal decoder takes eight times as long, and twice the memory.
  const text = new TextDecoder().decode(bytes);
  return text.includes("\ufffd") ? new TextDecoder("utf-8", { fatal: true }).decode(bytes) : text;
}

/** JSON from outside has too many values. The message says what was expected. */
export class JsonExcess extends Error {
  override readonly name = "JsonExcess";
}

/** Counts the values of JSON in UTF-8 before it is parsed, piece by piece. */
export class JsonScan {
  #values = 0;
  #inText = false;
  #escaped = false;

  /** @throws {JsonExcess} if the JSON so far has too many values. */
  push(piece: Uint8Array): void {
    for (let at = 0; at < piece.length; at++) {
      if (this.#inText) at = this.#skipText(piece, at);
      else this.#count(piece[at]!);
    }
    if (this.#values > MAX_VALUES) {
      throw new JsonExcess(`Expected JSON of at most ${MAX_VALUES} values`);
    }
  }

  /** The place of the quote that ends a text, or the end of the piece. */
  #skipText(piece: Uint8Array, from: number): number {
    if (this.#escaped) from++;
    this.#escaped = false;
    for (let at = from; at < piece.length; at++) {
      const code = piece[at];
      if (code === QUOTE) {
        this.#inText = false;
        return at;
      }
      if (code !== BACKSLASH) continue;
      this.#values += ESCAPE;
      this.#escaped = ++at === piece.length;
    }
    return piece.length;
  }

  #count(code: number): void {
    if (code === QUOTE) this.#inText = true;
    // A value is followed by a comma, unless it is the last of its list; a name by a colon.
    else if (code === COMMA || code === BRACKET) this.#values++;
    else if (code === COLON) this.#values += NAME;
    else if (code === BRACE) this.#values += OBJECT;
  }
}

/** What an object, a name and an escaped character count as: what parsing them costs at most. */
const OBJECT = 3;
const NAME = 2;
const ESCAPE = 1 / 10;

const [QUOTE, BACKSLASH, COMMA, COLON, BRACKET, BRACE] = [
  0x22,
  0x5c,
  0x2c,
  0x3a,
  0x5b,
  0x7b,
] as const;

/** True for an object that is no list. */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
