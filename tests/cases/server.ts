/** A provider that sends what a case says, byte by byte, over a bare socket. */

/** Bytes to write, or a pause in seconds. */
export type Chunk = string | { hex: string } | { sleep: number };

/** One response. */
export interface Reply {
  chunks: Chunk[];
  status?: number;
  headers?: Record<string, string>;
  /** True for a body that is no stream. */
  plain?: boolean;
  /** How the connection ends; `hang`: it stays open. */
  end?: "hang";
}

/** What came. */
export interface Seen {
  method: string;
  path: string;
  headers: Headers;
  // deno-lint-ignore no-explicit-any -- whatever a dialect has
  body: any;
  /** Resolves when the other side closes the connection. */
  closed: Promise<void>;
}

/** Chooses the reply to a request. */
export type Choose = (seen: Seen) => Reply;

const encoder = new TextEncoder();

/** A running provider. */
export class CaseServer implements AsyncDisposable {
  readonly seen: Seen[] = [];
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #connections = new Set<Deno.Conn>();
  readonly #accepting: Promise<void>;

  constructor(private readonly choose: Choose) {
    this.#accepting = this.#accept();
  }

  get url(): string {
    return `http://127.0.0.1:${this.#listener.addr.port}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#accepting;
    for (const connection of this.#connections) close(connection);
  }

  async #accept(): Promise<void> {
    for await (const connection of this.#listener) {
      this.#connections.add(connection);
      this.#answer(connection).catch(() => close(connection));
    }
  }

  async #answer(connection: Deno.Conn): Promise<void> {
    const { head, body } = await readRequest(connection);
    const [line = "", ...fields] = head.split("\r\n");
    const [method = "", path = ""] = line.split(" ");
    const headers = new Headers(fields.map((field): [string, string] => {
      const at = field.indexOf(":");
      return [field.slice(0, at), field.slice(at + 1).trim()];
    }));
    const closed = Promise.withResolvers<void>();
    const seen: Seen = { method, path, headers, body: parsed(body), closed: closed.promise };
    this.seen.push(seen);
    const reply = this.choose(seen);
    watch(connection, closed.resolve);
    await connection.write(encoder.encode(headOf(reply)));
    for (const chunk of reply.chunks) {
      if (typeof chunk === "object" && "sleep" in chunk) {
        await new Promise((done) => setTimeout(done, chunk.sleep * 1000));
      } else await writeAll(connection, bytesOf(chunk));
    }
    if (reply.end === undefined) close(connection);
  }
}

function headOf({ status = 200, headers = {} }: Reply): string {
  const all = { "content-type": "text/event-stream", connection: "close", ...headers };
  const fields = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `HTTP/1.1 ${status} Case\r\n${fields.join("")}\r\n`;
}

function bytesOf(chunk: string | { hex: string }): Uint8Array {
  return typeof chunk === "string" ? encoder.encode(chunk) : Uint8Array.fromHex(chunk.hex);
}

async function writeAll(connection: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await connection.write(bytes.subarray(at));
}

/** Reads one request, by its length or by chunks. */
async function readRequest(connection: Deno.Conn): Promise<{ head: string; body: string }> {
  const decoder = new TextDecoder("latin1");
  const buffer = new Uint8Array(64 * 1024);
  let text = "";
  for (;;) {
    const size = await connection.read(buffer);
    if (size === null) throw new Error("no whole request");
    text += decoder.decode(buffer.subarray(0, size), { stream: true });
    const end = text.indexOf("\r\n\r\n");
    if (end < 0) continue;
    const [head, rest] = [text.slice(0, end), text.slice(end + 4)];
    const length = Number(/^content-length: *(\d+)/im.exec(head)?.[1] ?? 0);
    if (/^transfer-encoding: *chunked/im.test(head)) {
      if (rest.endsWith("0\r\n\r\n")) return { head, body: utf8(unchunked(rest)) };
    } else if (rest.length >= length) return { head, body: utf8(rest) };
  }
}

function unchunked(text: string): string {
  let body = "";
  for (let at = 0; at < text.length;) {
    const end = text.indexOf("\r\n", at);
    const size = parseInt(text.slice(at, end), 16);
    body += text.slice(end + 2, end + 2 + size);
    at = end + 4 + size;
  }
  return body;
}

function utf8(latin1: string): string {
  return new TextDecoder().decode(Uint8Array.from(latin1, (char) => char.charCodeAt(0)));
}

function parsed(body: string): unknown {
  return body === "" ? undefined : JSON.parse(body);
}

async function watch(connection: Deno.Conn, onClose: () => void): Promise<void> {
  try {
    while (await connection.read(new Uint8Array(16)) !== null);
  } catch {
    // Closed as well.
  }
  onClose();
}

function close(connection: Deno.Conn): void {
  try {
    connection.close();
  } catch {
    // Already closed.
  }
}
