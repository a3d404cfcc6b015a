/** Reads streams over raw sockets: `fetch` would cost the benchmark as much as Parley itself. */

/** The end of a chunked body. */
const LAST_CHUNK = /(^|\n)0\r\n\r\n$/;

/** Called with the number of text deltas in one read, and its time. */
export type OnDeltas = (count: number, at: number) => void;

/**
 * Sends a request and reads the response to the end; resolves to the number of deltas.
 * @throws {Error} if the status is not 200.
 */
export async function readStream(
  url: string,
  { headers, body }: { headers: Record<string, string>; body: unknown },
  onDeltas: OnDeltas = () => {},
): Promise<number> {
  const { hostname, port, pathname } = new URL(url);
  using connection = await Deno.connect({ hostname, port: Number(port) });
  connection.setNoDelay(true);
  const bytes = new TextEncoder().encode(JSON.stringify(body));
  const head = [
    `POST ${pathname} HTTP/1.1`,
    `host: ${hostname}`,
    `content-length: ${bytes.length}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
  ];
  await connection.write(new TextEncoder().encode(`${head.join("\r\n")}\r\n\r\n`));
  for (let sent = 0; sent < bytes.length;) {
    sent += await connection.write(bytes.subarray(sent));
  }
  const buffer = new Uint8Array(64 * 1024);
  const text = new TextDecoder("latin1");
  let rest = "";
  let isFirst = true;
  let total = 0;
  for (;;) {
    const size = await connection.read(buffer);
    if (size === null) return total;
    const at = performance.now();
    const read = rest + text.decode(buffer.subarray(0, size));
    if (isFirst && !read.startsWith("HTTP/1.1 200")) throw new Error(read);
    isFirst = false;
    const end = read.lastIndexOf("\n") + 1;
    rest = read.slice(end);
    const count = countDeltas(read.slice(0, end));
    total += count;
    if (count > 0) onDeltas(count, at);
    if (LAST_CHUNK.test(read)) return total;
  }
}

/** Counts the `0:…` lines of a data stream, or the content lines of chat completions. */
function countDeltas(lines: string): number {
  return lines.match(/^0:|^data: .*"content":"[^"]/gm)?.length ?? 0;
}

/** Sends the same GET again and again over one connection. */
export class GetClient implements Disposable {
  readonly #buffer = new Uint8Array(256 * 1024);

  private constructor(
    private readonly connection: Deno.Conn,
    private readonly request: Uint8Array,
  ) {}

  static async connect(url: string, headers: Record<string, string>): Promise<GetClient> {
    const { hostname, port, pathname, search } = new URL(url);
    const connection = await Deno.connect({ hostname, port: Number(port) });
    const fields = Object.entries({ host: hostname, ...headers })
      .map(([name, value]) => `${name}: ${value}\r\n`).join("");
    const request = `GET ${pathname}${search} HTTP/1.1\r\n${fields}\r\n`;
    return new GetClient(connection, new TextEncoder().encode(request));
  }

  /** @throws {Error} if the status is not 200. */
  async get(): Promise<void> {
    await this.connection.write(this.request);
    let text = "";
    while (!isWhole(text)) {
      const size = await this.connection.read(this.#buffer);
      if (size === null) throw new Error("no whole response");
      text += new TextDecoder("latin1").decode(this.#buffer.subarray(0, size));
    }
    if (!text.startsWith("HTTP/1.1 200")) throw new Error(text);
  }

  [Symbol.dispose](): void {
    this.connection.close();
  }
}

function isWhole(response: string): boolean {
  const head = response.indexOf("\r\n\r\n");
  if (head < 0) return false;
  const length = /\r\ncontent-length: (\d+)/i.exec(response.slice(0, head))?.[1];
  return length === undefined
    ? LAST_CHUNK.test(response.slice(-16))
    : response.length >= head + 4 + Number(length);
}
