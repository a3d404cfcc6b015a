/** Clients that ask for much and take nothing: they cost little, and are let go. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { partsOf, StreamReader, textOf } from "../kit/data_stream.ts";
import { runParley } from "../kit/process.ts";
import type { Step } from "../kit/provider/script.ts";
import { type Stage, startStage, TOKENS } from "./kit.ts";

/** As many as one user may have. */
const READERS = 200;

/** How many of them come at once, and how long until the next do, in milliseconds. */
const AT_ONCE = 10;
const APART = 40;

/** After this, the runtime and the sockets have taken what they take, in milliseconds. */
const SETTLED = 1_500;

/** Asks on a raw socket, without reading the answer. */
async function open({ url }: Stage, path: string): Promise<Deno.TcpConn> {
  const { hostname, port } = new URL(url);
  const connection = await Deno.connect({ hostname, port: Number(port) });
  const head = `GET ${path} HTTP/1.1\r\nhost: ${hostname}\r\n` +
    `coder-session-token: ${TOKENS.mallory}\r\n\r\n`;
  await connection.write(new TextEncoder().encode(head));
  return connection;
}

/** That many readers, of the paths in turn. */
async function openAll(stage: Stage, paths: string[], count = READERS): Promise<Deno.TcpConn[]> {
  const connections: Deno.TcpConn[] = [];
  while (connections.length < count) {
    const next = Array.from({ length: AT_ONCE }, (_, n) => open(stage, paths[n % paths.length]!));
    connections.push(...await Promise.all(next));
    await pause(APART);
  }
  return connections;
}

function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}

/** The descriptors of the process, sockets most of all. */
function descriptorsOf({ parley: { pid } }: Stage): number {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
}

/** The path of the stream of an answer that has ended. */
async function answered(stage: Stage, steps: Step[]): Promise<string> {
  const chat = await stage.newChat();
  stage.provider.script({ steps });
  const sent = await stage.send(chat, "A long answer, please");
  const run = sent.headers.get("parley-run-id");
  await sent.text();
  return `/api/v2/chats/${chat}/stream?run=${run}`;
}

/** Texts of some megabytes in all, in pieces of that many characters. */
function texts(piece: number, size = 5_000_000): Step[] {
  return Array.from({ length: size / piece }, (_, n) => ({ text: `${n} `.padEnd(piece, "ab ") }));
}

/** What two hundred readers cost that take nothing of these. */
async function starve(stage: Stage, name: string, ...paths: string[]): Promise<void> {
  await stage.survive(`${READERS} readers of ${name}`, async () => {
    const all = await openAll(stage, paths);
    await pause(SETTLED);
    for (const connection of all) connection.close();
  });
}

/** A tool call that is an event of 300 kB. */
const LARGE: Step = {
  toolCall: { id: "call_1", name: "paint", args: { picture: "ab ".repeat(100_000) } },
};

Deno.test("readers that take nothing cost little", async (t) => {
  await using stage = await startStage();
  const words = await answered(stage, texts(60, 2_500_000));
  const pages = await answered(stage, texts(20_000));
  const large = await answered(stage, [{ text: "Look:" }, LARGE]);
  const ui = (path: string) => `${path}&protocol=ui`;
  const histories = [await answered(stage, texts(60, 300_000)), large]
    .map((path) => path.replace(/stream.*/, "messages"));
  await t.step("of answers", () => starve(stage, "answers", words, ui(words), pages, ui(pages)));
  await t.step("of large events", () => starve(stage, "large events", large, ui(large)));
  await t.step("of histories", () => starve(stage, "histories", ...histories));
});

Deno.test("readers that take nothing are let go, and who takes a little is not", async () => {
  // A client is dropped at the fifth keep-alive without a byte taken.
  const env = { PARLEY_LIMIT_KEEP_ALIVE_SECONDS: "1", PARLEY_LIMIT_STREAMS_PER_USER: "11" };
  await using stage = await startStage({ env });
  const path = await answered(stage, texts(20_000));
  const whole = await (await stage.ask("GET", path)).bytes();
  const before = descriptorsOf(stage);
  const slow = await open(stage, path);
  const starving = await openAll(stage, [path], 10);
  const refused = await stage.ask("GET", path);
  assertEquals(refused.status, 429);
  await refused.body?.cancel();

  const buffer = new Uint8Array(128 * 1024);
  let size = 0;
  let end = "";
  while (!end.endsWith("\r\n0\r\n\r\n")) {
    const read = await slow.read(buffer);
    assert(read !== null, `cut off after ${size} of ${whole.length} bytes`);
    size += read;
    end = (end + new TextDecoder("latin1").decode(buffer.subarray(0, read))).slice(-7);
    await pause(100);
  }
  assert(size > whole.length);
  slow.close();
  while (descriptorsOf(stage) > before + 3) await pause(100);
  const again = await stage.ask("GET", path);
  assertEquals(again.status, 200);
  await again.body?.cancel();
  for (const connection of starving) connection.close();
});

Deno.test("a token that was revoked is heard no more, nor does it hear", async () => {
  await using stage = await startStage({ env: { PARLEY_LIMIT_KEEP_ALIVE_SECONDS: "1" } });
  const { dataDir } = stage.parley;
  const token = async (...args: string[]) => {
    const { code, stdout, stderr } = await runParley({
      args: ["token", ...args, "--data", dataDir],
    });
    assertEquals(code, 0, stderr);
    return stdout.trim();
  };
  const secret = await token("create", "--user", "mallory", "--name", "lost");
  const chat = await stage.newChat();
  stage.provider.script({ steps: [{ text: "half" }, { stall: true }] });
  const live = new StreamReader(await stage.send(chat, "Wait"));
  await live.until("half");
  const ask = async (path: string) =>
    new StreamReader(await stage.ask("GET", path, { token: secret }));
  const watching = await ask("/api/v2/chats/watch");
  const reading = await ask(`/api/v2/chats/${chat}/stream?protocol=data`);
  await reading.until("half");
  await watching.until("keep-alive");
  await token("revoke", "lost");
  const news = await watching.rest();
  assertStringIncludes(news, 'event: session.ended\ndata: {"message":"You are signed out');
  const parts = partsOf(await reading.rest());
  assertEquals(parts.map(({ code }) => code).slice(-2), ["3", "d"]);
  assertEquals(textOf(parts), "half");
  await live.leave();
});
