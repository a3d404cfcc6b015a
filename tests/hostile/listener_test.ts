/** Clients that hold connections and bodies without using them: nobody else notices, and they are let go. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { startStage, TOKENS } from "./kit.ts";

const GET = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";
const MiB = 1024 * 1024;

/** Connections to the server, closed in the end. */
class Clients implements Disposable {
  readonly #open: Deno.TcpConn[] = [];
  readonly #port: number;

  constructor(url: string) {
    this.#port = Number(new URL(url).port);
  }

  async open(text: string | Uint8Array = ""): Promise<Deno.TcpConn> {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port: this.#port });
    this.#open.push(conn);
    await write(conn, text);
    return conn;
  }

  /** So many connections, a few at a time, so that this process is not the one that is slow. */
  async many(count: number, text: string | Uint8Array = ""): Promise<Deno.TcpConn[]> {
    const all: Deno.TcpConn[] = [];
    while (all.length < count) {
      all.push(...await Promise.all(Array.from({ length: 20 }, () => this.open(text))));
      await pause(10);
    }
    return all;
  }

  [Symbol.dispose](): void {
    for (const conn of this.#open) {
      try {
        conn.close();
      } catch {
        // It was read to its end.
      }
    }
  }
}

/** Writes a text; a connection that the server has closed is the server's business. */
async function write(conn: Deno.TcpConn, text: string | Uint8Array): Promise<void> {
  let bytes = typeof text === "string" ? new TextEncoder().encode(text) : text;
  try {
    while (bytes.length > 0) bytes = bytes.subarray(await conn.write(bytes));
  } catch {
    // See above.
  }
}

/** Writes a byte now and then until the signal is aborted. */
async function drip(conns: Deno.TcpConn[], signal: AbortSignal, everyMs = 100): Promise<void> {
  while (!signal.aborted) {
    await Promise.all(conns.map((conn) => write(conn, "a")));
    await pause(everyMs);
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}

/** All that comes until the server closes the connection. */
async function textOf(conn: Deno.TcpConn): Promise<string> {
  try {
    return await new Response(conn.readable).text();
  } catch {
    return "";
  }
}

function head(path: string, length: number | "chunked", token: string = TOKENS.mallory): string {
  return [
    `POST ${path} HTTP/1.1`,
    "host: localhost",
    `coder-session-token: ${token}`,
    "content-type: application/json",
    length === "chunked" ? "transfer-encoding: chunked" : `content-length: ${length}`,
    "",
    "",
  ].join("\r\n");
}

Deno.test("connections that hold what they do not use cost nobody else anything", async (t) => {
  await using stage = await startStage();
  const chat = await stage.newChat();
  const path = `/api/v2/chats/${chat}/messages`;
  const files = `/api/v2/chats/${chat}/files`;

  for (const [name, text] of [["nothing", ""], ["half a head", GET.slice(0, 20)]] as const) {
    await t.step(
      `2,000 connections with ${name}`,
      () =>
        stage.survive(`2,000 connections with ${name}`, async () => {
          using clients = new Clients(stage.url);
          await clients.many(2_000, text);
          await pause(1_000);
        }),
    );
  }

  await t.step("heads byte by byte", () =>
    stage.survive("500 heads byte by byte", async () => {
      using clients = new Clients(stage.url);
      await drip(await clients.many(500, GET.slice(0, 30)), AbortSignal.timeout(2_000));
    }));

  await t.step(
    "slow bodies",
    () =>
      stage.survive("300 bodies of which the last bytes come slowly", async () => {
        using clients = new Clients(stage.url);
        const small = await clients.many(200, head(path, 10_000) + "{");
        const large = await clients.many(60, head(path, 8 * MiB));
        const uploads = await clients.many(40, head(files, 10 * MiB, TOKENS.oscar));
        const most = new Uint8Array(7 * MiB).fill(32);
        for (const conn of [...large, ...uploads]) write(conn, most);
        await drip([...small], AbortSignal.timeout(3_000));
      }),
  );

  await t.step(
    "pipelined requests",
    () =>
      stage.survive("20 clients that pipeline 20 requests each", async () => {
        using clients = new Clients(stage.url);
        await clients.many(20, GET.repeat(20));
        await pause(300);
      }),
  );

  await t.step("bodies of another length than declared", async () => {
    using clients = new Clients(stage.url);
    const short = await clients.open(head(path, 100) + '{"a":1}');
    await short.closeWrite();
    const stopped = await clients.open(head(path, "chunked") + "5\r\n[1,2,");
    await stopped.closeWrite();
    const broken = await clients.open(head(path, "chunked") + "zz\r\n");
    for (const conn of [short, stopped, broken]) {
      assert(!/HTTP\/1.1 (2|5)/.test(await textOf(conn)));
    }
    const long = await clients.open(`${head(path, 2)}{}GET / HTTP/1.1\r\nmore: 1\r\n\r\n`);
    const answer = new Uint8Array(15);
    await long.read(answer);
    assertEquals(new TextDecoder().decode(answer), "HTTP/1.1 400 Ba");
    assertEquals(await (await stage.ask("GET", "/healthz")).text(), "OK");
  });

  await t.step("in the end all of them are let go", async () => {
    using clients = new Clients(stage.url);
    const before = descriptorsOf(stage.parley.pid);
    const idle = [...await clients.many(20), ...await clients.many(20, GET.slice(0, 30))];
    const slow = await clients.many(20, head(path, 10_000) + "{");
    const dripping = drip(slow, AbortSignal.timeout(9_000), 3_000);
    for (const text of await Promise.all(slow.map(textOf))) assertMatch(text, /^HTTP\/1.1 408 /);
    for (const text of await Promise.all(idle.map(textOf))) assertEquals(text, "");
    await dripping;
    assert(descriptorsOf(stage.parley.pid) <= before + 10);
  });
});

function descriptorsOf(pid: number): number {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
}
