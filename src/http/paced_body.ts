/** Long bodies: written at the pace of their clients, and bounded in what they keep for them. */
import type { Turns } from "../domain/turns.ts";

/** Where the bytes of a body come from. */
export interface Source {
  /**
   * The next bytes, in pieces; undefined if there are none yet. A promise if they have to be read first:
   * nothing else is taken until then.
   */
  take(): Uint8Array[] | Promise<Uint8Array[]> | undefined;
  /** True once all bytes have been taken. */
  readonly done: boolean;
  /** Called once, when nothing more will be taken. */
  close(): void;
}

/** How a body is written. */
export interface Pace {
  /** How often the client is looked at, in milliseconds. */
  keepAliveMs: number;
  /** Sent after such a time of silence; by default, nothing is. */
  keepAlive?: string;
  /** Sent before everything else, and after it. */
  first?: string | undefined;
  end?: string;
  /** Asked as often: if it resolves to false, the body ends with `farewell`. */
  mayStay?: () => Promise<boolean>;
  farewell?: string;
  held?: HeldBytes;
  connection?: Connection | undefined;
  /** Called once when the body is over, however it ends. */
  onClose: () => void;
}

/** The connection of a request. */
export interface Connection {
  /** Ends it at once. A body that fails does not: what the client does not take would be kept for it. */
  close(): void;
  /** Settles once the client has the whole response, or never will. */
  completed: Promise<unknown>;
}

/** The bytes of a body that wait for the runtime, which keeps up to 16 pieces for the socket. */
const BUFFER = 16 * 1024;

/** The most bytes of a piece. */
export const PIECE = 8 * 1024;

/** A client that takes nothing for more keep-alives in a row is dropped. It can resume. */
const MAX_STALLS = 4;

/** The body that brings what the source of `open` has. The source calls `onChange` if it has more. */
export function pacedBody(
  open: (onChange: () => void) => Source,
  pace: Pace,
): ReadableStream<Uint8Array> {
  const body = new PacedBody(open, pace);
  return new ReadableStream<Uint8Array>(body, {
    highWaterMark: BUFFER,
    size: (chunk) => chunk.byteLength,
  });
}

/** The bytes that an iterator brings, one turn for each. */
export function sourceOf(bytes: AsyncIterator<Uint8Array>, turns: Turns): Source {
  let done = false;
  return {
    get done() {
      return done;
    },
    async take() {
      await turns.next();
      const next = await bytes.next();
      done = next.done === true;
      return next.done ? [] : [next.value];
    },
    close: () => void bytes.return?.().catch(() => {}),
  };
}

/** Bounds the large pieces of all bodies: an event, a message or a file may have megabytes. */
export class HeldBytes {
  /** The bodies with large pieces; first those of which nothing was taken for longest. */
  readonly #bodies = new Map<PacedBody, number>();
  #bytes = 0;

  constructor(private readonly limit = 24 * 1024 * 1024, private readonly small = 256 * 1024) {}

  /** Notes what a body holds now. If that is too much in all, the clients that are slowest are dropped. */
  note(body: PacedBody, bytes: number): void {
    const isSmall = bytes <= this.small;
    if (isSmall && !this.#bodies.has(body)) return;
    this.#bytes -= this.#bodies.get(body) ?? 0;
    this.#bodies.delete(body);
    if (isSmall) return;
    this.#bytes += bytes;
    this.#bodies.set(body, bytes);
    for (const slowest of this.#bodies.keys()) {
      if (this.#bytes <= this.limit || slowest === body) return;
      slowest.drop();
    }
  }
}

/** A body that is being written. */
class PacedBody implements UnderlyingDefaultSource<Uint8Array> {
  readonly #source: Source;
  readonly #pace: Omit<Pace, "first">;
  readonly #stalls: Stalls = new Stalls();
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  #timer: ReturnType<typeof setInterval> | undefined;
  /** The pieces that were taken from the source and are not written yet, last first. */
  #unsent: Uint8Array[] = [];
  /** True if a part of a piece is written. */
  #isCut = false;
  #sentBytes = 0;
  #hasWritten = false;
  #isReading = false;
  #isClosed = false;

  constructor(open: (onChange: () => void) => Source, { first, ...pace }: Pace) {
    this.#pace = pace;
    this.#source = open(() => this.pull());
    if (first) this.#keep([new TextEncoder().encode(first)]);
  }

  start(controller: ReadableStreamDefaultController<Uint8Array>): void {
    this.#controller = controller;
    this.#timer = setInterval(() => this.#look(), this.#pace.keepAliveMs);
  }

  pull(): void {
    if (this.#isReading || this.#isClosed || !this.#controller) return;
    try {
      this.#pump();
    } catch (error) {
      this.#fail(error);
    }
  }

  cancel(): void {
    this.#close();
  }

  /** Drops the client: it takes nothing. */
  drop(): void {
    if (this.#isClosed) return;
    this.#fail(new Error("the client takes nothing"));
    this.#pace.connection?.close();
  }

  #pump(): void {
    // `enqueue` may pull at once, and so end the body, or begin to read, under this loop.
    while (!this.#isClosed && !this.#isReading && !this.#isFull) {
      const piece = this.#nextPiece();
      if (piece) {
        this.#hasWritten = true;
        this.#write(piece);
        continue;
      }
      if (this.#source.done) return this.#finish(this.#pace.end);
      const taken = this.#source.take();
      if (taken instanceof Promise) return this.#read(taken);
      if (!taken) break;
      this.#keep(taken);
    }
    if (this.#isClosed || this.#isReading) return;
    if (this.#unsent.length === 0 && this.#source.done) this.#finish(this.#pace.end);
    else this.#note();
  }

  /** Large pieces are copied out bit by bit: a part of one would keep all of it until it is sent. */
  #nextPiece(): Uint8Array | undefined {
    const piece = this.#unsent.pop();
    this.#isCut = piece !== undefined && piece.length > PIECE;
    if (!this.#isCut) return piece?.buffer.byteLength === piece?.length ? piece : piece?.slice();
    this.#unsent.push(piece!.subarray(PIECE));
    return piece!.slice(0, PIECE);
  }

  #read(taken: Promise<Uint8Array[]>): void {
    this.#isReading = true;
    taken.then((pieces) => {
      this.#isReading = false;
      if (!this.#isClosed) this.#keep(pieces);
      this.pull();
    }).catch((error) => this.#fail(error));
  }

  #keep(pieces: Uint8Array[]): void {
    this.#unsent = pieces.toReversed();
    this.#note();
  }

  #note(): void {
    this.#pace.held?.note(this, this.#unsent.reduce((sum, { length }) => sum + length, 0));
  }

  get #isFull(): boolean {
    return (this.#controller.desiredSize ?? 0) <= 0;
  }

  #look(): void {
    const { mayStay, keepAlive } = this.#pace;
    const taken = this.#sentBytes - BUFFER + (this.#controller.desiredSize ?? 0);
    if (this.#stalls.count(taken, this.#isFull) > MAX_STALLS) return this.drop();
    if (keepAlive && !this.#hasWritten && !this.#isFull && !this.#isCut) this.#writeText(keepAlive);
    this.#hasWritten = false;
    mayStay?.().then((stays) => stays || this.#isClosed || this.#dismiss());
  }

  /** Ends the body for a client that may not have it any more. */
  #dismiss(): void {
    if (!this.#isFull && !this.#isCut) return this.#finish(this.#pace.farewell);
    this.#fail(new Error("the client is signed out"));
    this.#pace.connection?.close();
  }

  #write(bytes: Uint8Array): void {
    this.#sentBytes += bytes.byteLength;
    this.#controller.enqueue(bytes);
  }

  #writeText(text: string): void {
    this.#write(new TextEncoder().encode(text));
  }

  #finish(end = ""): void {
    this.#close();
    if (end !== "") this.#writeText(end);
    this.#controller.close();
  }

  #fail(error: unknown): void {
    if (this.#isClosed) return;
    this.#close();
    this.#controller.error(error);
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#unsent = [];
    this.#note();
    clearInterval(this.#timer);
    this.#source.close();
    this.#pace.onClose();
    this.#closeLate();
  }

  /** The runtime does not give up what a client leaves of the end of a body. */
  #closeLate(): void {
    const { connection, keepAliveMs } = this.#pace;
    if (!connection) return;
    const timer = setTimeout(() => connection.close(), (MAX_STALLS + 1) * keepAliveMs);
    const done = () => clearTimeout(timer);
    connection.completed.then(done, done);
  }
}

/**
 * Counts the looks in a row at which the buffer was full and the client had taken nothing since the
 * one before. A full buffer alone only means that the client is slower than the model.
 */
class Stalls {
  #before = 0;
  #stalls = 0;

  count(taken: number, isFull: boolean): number {
    this.#stalls = isFull && taken === this.#before ? this.#stalls + 1 : 0;
    this.#before = taken;
    return this.#stalls;
  }
}
