/** Reads the data stream for tests. */
import { assertEquals } from "@std/assert";

/** One line of the stream. */
export interface StreamPart {
  code: string;
  // deno-lint-ignore no-explicit-any
  value: any;
}

/** All lines of a text; fails on one that is not in the protocol. */
export function partsOf(text: string): StreamPart[] {
  return text.split("\n").filter((line) => line !== "").map((line) => {
    assertEquals(/^[0-9a-k]:/.test(line), true, `no part: ${line}`);
    return { code: line[0]!, value: JSON.parse(line.slice(2)) };
  });
}

/** The text of a stream. */
export function textOf(parts: StreamPart[]): string {
  return parts.filter(({ code }) => code === "0").map(({ value }) => value).join("");
}

/** Reads a response step by step. */
export class StreamReader {
  /** Everything so far. */
  text = "";
  readonly #reader: ReadableStreamDefaultReader<string>;

  constructor(readonly response: Response) {
    this.#reader = response.body!.pipeThrough(new TextDecoderStream()).getReader();
  }

  /** Reads until the text so far includes `part`; fails if the stream ends first. */
  async until(part: string): Promise<void> {
    while (!this.text.includes(part)) {
      const { value, done } = await this.#reader.read();
      if (done) throw new Error(`no ${JSON.stringify(part)} in ${JSON.stringify(this.text)}`);
      this.text += value;
    }
  }

  /** Reads to the end and returns everything. */
  async rest(): Promise<string> {
    for (;;) {
      const { value, done } = await this.#reader.read();
      if (done) return this.text;
      this.text += value;
    }
  }

  /** Disconnects, like a client that closes its tab. */
  async leave(): Promise<void> {
    await this.#reader.cancel();
  }
}
