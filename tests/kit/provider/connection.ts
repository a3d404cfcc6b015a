/**
 * Hand-written HTTP/1.1 over TCP: no server library can close a socket after an exact byte of a body,
 * or report at once that the client has closed while nothing is being written.
 */

/** A request as read from the wire. */
export interface WireRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: Headers;
  readonly body: string;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const LAST_CHUNK = encoder.encode("0\r\n\r\n");
const READ_SIZE = 16 * 1024;

/** One accepted TCP connection, kept alive across requests. */
export class Connection {
  /** Resolves with `performance.now()` when either side closes the socket. */
  readonly closed: Promise<number>;
  readonly #conn: Deno.TcpConn;
  readonly #inbox = new Inbox();
  #isClosed = false;
  #closedHere = false;
  #interrupt: (() => void) | undefined;

  constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
    conn.setNoDelay(true);
    this.closed = this.#pump();
  }

  /** True if `destroy` ended the connection; false if the client did, or nobody has yet. */
  get closedHere(): boolean {
    return this.#closedHere;
  }

  /** The next request, or undefined if there are no more. */
  async next(): Promise<WireRequest | undefined> {
    const head = await this.#until("\r\n\r\n");
    if (head === undefined) return undefined;
    const [requestLine = "", ...lines] = head.split("\r\n");
    const [method = "", target = ""] = requestLine.split(" ");
    const headers = new Headers(lines.filter(Boolean).map(headerOf));
    const body = headers.has("transfer-encoding")
      ? await this.#chunkedBody()
      : await this.#bytes(Number(headers.get("content-length") ?? 0));
    if (body === undefined) return undefined;
    const url = new URL(target, "http://provider");
    return { method, url, headers, body: decoder.decode(body) };
  }

  /** Waits for `promise` to settle; false if the connection closes first. */
  async until(promise: PromiseLike<unknown>): Promise<boolean> {
    if (this.#isClosed) return false;
    // A race with the long-lived `closed` would keep every waiter alive as long as the connection.
    const { promise: interrupted, resolve } = Promise.withResolvers<void>();
    this.#interrupt = resolve;
    await Promise.race([promise, interrupted]).catch(() => {});
    this.#interrupt = undefined;
    return !this.#isClosed;
  }

  /** Waits for `ms` milliseconds; false if the connection closes first. */
  async sleep(ms: number): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    const open = await this.until(promise);
    clearTimeout(timer);
    return open;
  }

  /** Writes all the bytes; false if the connection closes first. */
  async write(bytes: Uint8Array): Promise<boolean> {
    try {
      for (let at = 0; at < bytes.length && !this.#isClosed;) {
        at += await this.#conn.write(at === 0 ? bytes : bytes.subarray(at));
      }
    } catch {
      this.#close();
    }
    return !this.#isClosed;
  }

  /** Closes the socket now; bytes already written still arrive. */
  destroy(): void {
    if (!this.#isClosed) this.#closedHere = true;
    this.#close();
  }

  /** The text up to and including `mark`. */
  async #until(mark: string): Promise<string | undefined> {
    let end = this.#inbox.endOf(mark);
    for (; end < 0; end = this.#inbox.endOf(mark)) {
      if (!await this.until(this.#inbox.more())) return undefined;
    }
    return decoder.decode(this.#inbox.take(end));
  }

  async #bytes(count: number): Promise<Uint8Array | undefined> {
    while (this.#inbox.length < count) {
      if (!await this.until(this.#inbox.more())) return undefined;
    }
    return this.#inbox.take(count);
  }

  async #chunkedBody(): Promise<Uint8Array | undefined> {
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    for (;;) {
      const line = await this.#until("\r\n");
      const size = parseInt(line ?? "0", 16);
      const chunk = line && await this.#bytes(size + 2);
      if (!chunk) return undefined;
      if (size === 0) return await new Blob(chunks).bytes();
      chunks.push(new Uint8Array(chunk.subarray(0, size)));
    }
  }

  async #pump(): Promise<number> {
    try {
      for (;;) {
        const count = await this.#conn.read(this.#inbox.room(READ_SIZE));
        if (count === null) break;
        this.#inbox.filled(count);
      }
    } catch {
      // Reset by the client or closed here: either way, the end.
    }
    this.#close();
    return performance.now();
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#interrupt?.();
    this.#conn.close();
  }
}

/** The answer to one request: a head, then a body that is chunked or of a declared length. */
export class Answer {
  /** Bytes of the body written so far, without the chunk framing. */
  bytesSent = 0;
  /** The status, once the head has been sent. */
  status: number | undefined;
  #chunked = false;

  constructor(readonly connection: Connection) {}

  /** Writes the status line and headers; without a `length` the body is chunked. */
  head(status: number, headers: Record<string, string>, length?: number): Promise<boolean> {
    this.status = status;
    this.#chunked = length === undefined;
    const framing = length === undefined
      ? "transfer-encoding: chunked"
      : `content-length: ${length}`;
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
    const head = [`HTTP/1.1 ${status} Scripted`, ...lines, framing, "", ""].join("\r\n");
    return this.connection.write(encoder.encode(head));
  }

  /** Writes a piece of the body in one write; false if the connection is closed. */
  async send(payload: Uint8Array): Promise<boolean> {
    if (payload.length === 0) return true;
    const sent = await this.connection.write(this.#chunked ? chunkOf(payload) : payload);
    if (sent) this.bytesSent += payload.length;
    return sent;
  }

  /** Ends the body. */
  async end(): Promise<boolean> {
    return this.#chunked ? await this.connection.write(LAST_CHUNK) : true;
  }
}

/** Bytes read but not yet taken. */
class Inbox {
  #buffer = new Uint8Array(READ_SIZE);
  #start = 0;
  #end = 0;
  #wake = Promise.withResolvers<void>();

  get length(): number {
    return this.#end - this.#start;
  }

  /** The buffer for the next bytes, at least `size` long. */
  room(size: number): Uint8Array {
    if (this.#buffer.length - this.#end < size) {
      const kept = this.#buffer.subarray(this.#start, this.#end);
      const grown = new Uint8Array(Math.max(kept.length * 2, kept.length + size));
      grown.set(kept);
      this.#buffer = grown;
      this.#start = 0;
      this.#end = kept.length;
    }
    return this.#buffer.subarray(this.#end);
  }

  filled(count: number): void {
    this.#end += count;
    this.#wake.resolve();
    this.#wake = Promise.withResolvers<void>();
  }

  /** Resolves when more bytes have arrived. */
  more(): Promise<void> {
    return this.#wake.promise;
  }

  /** The number of bytes up to and including `mark`; -1 if it has not arrived. */
  endOf(mark: string): number {
    const codes = encoder.encode(mark);
    for (let at = this.#start; at + codes.length <= this.#end; at++) {
      if (codes.every((code, offset) => this.#buffer[at + offset] === code)) {
        return at + codes.length - this.#start;
      }
    }
    return -1;
  }

  take(count: number): Uint8Array {
    const taken = this.#buffer.slice(this.#start, this.#start + count);
    this.#start += count;
    return taken;
  }
}

function headerOf(line: string): [string, string] {
  const colon = line.indexOf(":");
  return [line.slice(0, colon), line.slice(colon + 1).trim()];
}

function chunkOf(payload: Uint8Array): Uint8Array {
  const size = encoder.encode(`${payload.length.toString(16)}\r\n`);
  const chunk = new Uint8Array(size.length + payload.length + 2);
  chunk.set(size);
  chunk.set(payload, size.length);
  chunk[chunk.length - 2] = 13;
  chunk[chunk.length - 1] = 10;
  return chunk;
}
