/** What takes bytes, such as `Deno.stderr`. */
export interface Sink {
  /** Resolves to how many of the bytes it took. */
  write(bytes: Uint8Array): Promise<number>;
}

/** The most characters to keep while nobody takes them. */
const ROOM = 1024 * 1024;

/** The characters to write at once, approximately. */
const BATCH = 64 * 1024;

/** How long to wait after a failed write, and while the sink is full, in milliseconds. */
const PAUSES = { failed: 1_000, full: 20 };

/**
 * Writes lines in their order, without ever failing or blocking: a disk may be full, a pipe broken or
 * its reader asleep. What cannot be kept or written is dropped and counted; `dropped` makes the line that
 * says so, which is written as soon as one can be.
 */
export class LineWriter {
  readonly #sink: Sink;
  readonly #dropped: (count: number) => string;
  #lines: string[] = [];
  #size = 0;
  #lost = 0;
  /** The last write may have ended in the middle of a line. */
  #isTorn = false;
  #writing: Promise<void> | undefined;

  constructor(
    sink: Sink,
    dropped: (count: number) => string,
    private readonly pauses: typeof PAUSES = PAUSES,
  ) {
    this.#sink = sink;
    this.#dropped = dropped;
  }

  /** Takes a line without its newline. */
  write(line: string): void {
    if (this.#size + line.length > ROOM) {
      this.#lost++;
      return;
    }
    this.#lines.push(line);
    this.#size += line.length;
    this.#writing ??= this.#writeAll().finally(() => this.#writing = undefined);
  }

  /** Resolves once everything is written, and after `ms` milliseconds at the latest. */
  async flush(ms: number): Promise<void> {
    let timer;
    const late = new Promise((done) => timer = setTimeout(done, ms));
    await Promise.race([this.#writing, late]);
    clearTimeout(timer);
  }

  async #writeAll(): Promise<void> {
    while (this.#lines.length > 0 || (this.#lost > 0 && !this.#isTorn)) {
      const lost = this.#lost;
      this.#lost = 0;
      const batch = this.#takeBatch();
      const lines = lost > 0 ? [this.#dropped(lost), ...batch] : batch;
      const text = (this.#isTorn ? "\n" : "") + lines.join("\n") + "\n";
      try {
        await this.#writeBytes(new TextEncoder().encode(text));
        this.#isTorn = false;
      } catch {
        this.#isTorn = true;
        this.#lost += lost + batch.length;
        await pause(this.pauses.failed);
      }
    }
  }

  #takeBatch(): string[] {
    let count = 0;
    for (let size = 0; count < this.#lines.length && size < BATCH; count++) {
      size += this.#lines[count]!.length;
    }
    const batch = this.#lines.splice(0, count);
    for (const line of batch) this.#size -= line.length;
    return batch;
  }

  async #writeBytes(bytes: Uint8Array): Promise<void> {
    while (bytes.length > 0) {
      try {
        bytes = bytes.subarray(await this.#sink.write(bytes));
      } catch (error) {
        if (!(error instanceof Deno.errors.WouldBlock)) throw error;
        await pause(this.pauses.full);
      }
    }
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}
