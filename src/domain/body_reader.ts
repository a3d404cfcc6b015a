/** The bytes of the first reads: thousands of bodies may bring one event at a time. */
const START = 2 * 1024;

/**
 * Reads a body from a socket into one reused buffer. A default reader allocates 64 KiB for every read,
 * even of a single token: a third of the cost of a chunk, and 64 MiB for a thousand streams.
 */
export class BodyReader {
  /** True if the last read filled a buffer that may be larger. */
  #isFull = false;
  readonly #reader: ReadableStreamBYOBReader | ReadableStreamDefaultReader<Uint8Array>;
  #buffer: ArrayBufferLike;

  /** `size`: the most bytes of one read. */
  constructor(body: ReadableStream<Uint8Array>, private readonly size: number) {
    this.#reader = readerOf(body);
    this.#buffer = new ArrayBuffer(Math.min(START, size));
  }

  /** The next bytes, valid until the next read: copy them to keep them. Undefined at the end. */
  async read(): Promise<Uint8Array | undefined> {
    if (!(this.#reader instanceof ReadableStreamBYOBReader)) {
      return (await this.#reader.read()).value;
    }
    if (this.#isFull) this.#buffer = new ArrayBuffer(this.size);
    const { value, done } = await this.#reader.read(new Uint8Array(this.#buffer));
    if (value) this.#buffer = value.buffer;
    this.#isFull = value?.length === START && START < this.size;
    return done ? undefined : value;
  }

  cancel(reason?: unknown): Promise<void> {
    return this.#reader.cancel(reason);
  }
}

/** Only a byte stream can fill a buffer; a constructed body may not be one. */
function readerOf(body: ReadableStream<Uint8Array>) {
  try {
    return body.getReader({ mode: "byob" });
  } catch {
    return body.getReader();
  }
}
