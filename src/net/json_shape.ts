import { Trouble } from "./trouble.ts";

/** How deeply JSON may be nested, and how many values it may have. */
export interface ShapeLimits {
  depth: number;
  values: number;
}

/** Bytes with a meaning in JSON. */
const [QUOTE, COMMA, BACKSLASH] = [0x22, 0x2c, 0x5c];
const [OPEN_LIST, CLOSE_LIST, OPEN_OBJECT, CLOSE_OBJECT] = [0x5b, 0x5d, 0x7b, 0x7d];

/** Looks at the bytes of a JSON text as they come, before anything that recurses or allocates does. */
export class JsonShape {
  #depth = 0;
  #values = 0;
  #inString = false;
  #escaped = false;

  constructor(private readonly limits: ShapeLimits) {}

  /** @throws {Trouble} `oversized` once the text is beyond the limits. */
  scan(bytes: Uint8Array, from = 0, to = bytes.length): void {
    // Each byte of each answer comes through here: locals take a third of the time of fields.
    let [depth, values, inString, escaped] = [
      this.#depth,
      this.#values,
      this.#inString,
      this.#escaped,
    ];
    for (let at = from; at < to; at++) {
      const byte = bytes[at]!;
      if (inString) {
        if (escaped) escaped = false;
        else if (byte === BACKSLASH) escaped = true;
        else if (byte === QUOTE) inString = false;
      } else if (byte === QUOTE) inString = true;
      else if (byte === COMMA) values++;
      else if (byte === OPEN_LIST || byte === OPEN_OBJECT) {
        values++;
        if (++depth > this.limits.depth) throw tooMuch(`nested deeper than`, this.limits.depth);
      } else if (byte === CLOSE_LIST || byte === CLOSE_OBJECT) depth--;
    }
    this.#depth = depth;
    this.#values = values;
    this.#inString = inString;
    this.#escaped = escaped;
    if (values > this.limits.values) throw tooMuch("of more values than", this.limits.values);
  }

  /** True if the text so far is a whole list or object. */
  get isWhole(): boolean {
    return this.#depth === 0 && this.#values > 0 && !this.#inString;
  }

  /** Begins with another text. */
  reset(): void {
    this.#depth = this.#values = 0;
    this.#inString = this.#escaped = false;
  }
}

function tooMuch(what: string, limit: number): Trouble {
  return new Trouble("oversized", `sent JSON ${what} ${limit}`);
}
