import type { JSONRPCMessage } from "@modelcontextprotocol/client";
import { type Clock, settlesWithin } from "../../domain/clock.ts";
import { Pauses } from "../../domain/pauses.ts";
import { Flood, MessageBounds } from "./bounds.ts";
import type { Child } from "./child.ts";
import { type ServerTransport, usable } from "./transport.ts";

/** The most bytes that wait for a program to read them. */
const MAX_WAITING = 64 * 1024 * 1024;

/** How long a program may take to end once its pipes are closed, in milliseconds. */
const REST = 500;

const LF = 0x0a;

/**
 * Messages as lines, by the standard input and output of a program. The SDK's own transport keeps what
 * the program writes faster than it is read, parses whatever has 10 MB, and ends no children's children.
 */
export class StdioTransport implements ServerTransport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  failure: string | undefined;
  readonly #bounds: MessageBounds;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #pieces: Uint8Array[] = [];
  #waiting = 0;
  #reading: Promise<void> = Promise.resolve();
  #closed: Promise<void> | undefined;

  constructor(private readonly child: Child, private readonly clock: Clock) {
    this.#bounds = new MessageBounds("line", new Flood(clock));
    this.#writer = child.stdin.getWriter();
    this.#writer.closed.catch(() => {});
    this.#reader = child.stdout.getReader();
  }

  /** With `stderr`, what the SDK knows a transport by whose server may be silent when asked for its era. */
  get pid(): number {
    return this.child.pid;
  }

  readonly stderr = null;

  start(): Promise<void> {
    this.#reading = this.#read();
    this.#reading.then(() => this.#end(), (error) => this.#end(error.message));
    return Promise.resolve();
  }

  async send(message: JSONRPCMessage): Promise<void> {
    const line = new TextEncoder().encode(`${JSON.stringify(message)}\n`);
    if (this.#waiting + line.length > MAX_WAITING) this.#end("does not read what it is sent");
    if (this.#closed) throw new Error(this.failure ?? "is closed");
    this.#waiting += line.length;
    try {
      await this.#writer.write(line);
    } catch (error) {
      // How it ended says more than that its pipe is broken.
      this.#end();
      await this.#closed;
      throw new Error(this.failure ?? "is closed", { cause: error });
    } finally {
      this.#waiting -= line.length;
    }
  }

  close(): Promise<void> {
    return this.#closed ??= this.#close();
  }

  /** Ends it because of what it did; `why` is known unless it ended by itself. */
  #end(why?: string): void {
    if (this.#closed) return;
    this.#closed = this.#endAs(why).then(() => this.#close());
  }

  async #endAs(why?: string): Promise<void> {
    const ended = this.child.ended();
    this.failure = why ??
      (await settlesWithin(ended, REST, this.clock) ? await ended : "closed its pipes");
    // What it says last comes by another pipe.
    await settlesWithin(this.child.silent, REST, this.clock);
    if (this.child.said !== "") this.failure += `; it said: ${this.child.said}`;
  }

  async #close(): Promise<void> {
    this.#writer.close().catch(() => {});
    await this.child.end(this.#reading);
    this.#reader.cancel().catch(() => {});
    this.onclose?.();
  }

  async #read(): Promise<void> {
    const pauses = new Pauses();
    for (;;) {
      const { value: chunk, done } = await this.#reader.read();
      if (done) return;
      // Read on, so that the program can end.
      if (this.#closed) continue;
      this.#bounds.scan(chunk);
      for (let from = 0; from < chunk.length;) {
        const end = chunk.indexOf(LF, from);
        this.#pieces.push(chunk.subarray(from, end < 0 ? undefined : end));
        if (end < 0) break;
        await this.#deliver(pauses);
        from = end + 1;
      }
      await pauses.next();
    }
  }

  async #deliver(pauses: Pauses): Promise<void> {
    const pieces = this.#pieces;
    this.#pieces = [];
    const bytes = pieces.length === 1 ? pieces[0]! : joined(pieces);
    await pauses.next();
    const text = new TextDecoder().decode(bytes);
    await pauses.next();
    if (this.#closed || text.trim() === "") return;
    let message: unknown;
    try {
      message = JSON.parse(text);
    } catch {
      // Many programs print other lines to their output.
      return;
    }
    await pauses.next();
    this.onmessage?.(usable(message));
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}
