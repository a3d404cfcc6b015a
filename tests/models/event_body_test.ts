/** The events of a body, whatever kind of stream it is, wherever it is cut, and however it is written. */
import { assertEquals, assertRejects } from "@std/assert";
import { ShortTurns } from "../../src/domain/turns.ts";
import { EventBody } from "../../src/models/event_body.ts";
import { Trouble } from "../../src/net/trouble.ts";

const encoder = new TextEncoder();

/** What is read of a body that comes in these pieces. */
async function read(...pieces: (string | Uint8Array)[]): Promise<string> {
  return await readAll(ReadableStream.from(
    pieces.map((piece) => typeof piece === "string" ? encoder.encode(piece) : piece),
  ));
}

async function readAll(body: ReadableStream<Uint8Array>): Promise<string> {
  const events = new EventBody(body, new ShortTurns(), 9_000, { isStream: true });
  let all = "";
  for (let read = await events.read(); !read.done; read = await events.read()) {
    all += read.value;
  }
  return all;
}

const oversized = (message: string, ...pieces: string[]) =>
  assertRejects(() => read(...pieces), Trouble, message);

Deno.test("a body over a socket", async () => {
  const events = Array.from({ length: 3_000 }, (_, n) => `data: {"n":${n},"ü":"日本"}\n\n`).join(
    "",
  );
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response(events),
  );
  const { port } = server.addr as Deno.NetAddr;
  const { body } = await fetch(`http://127.0.0.1:${port}`);
  assertEquals(await readAll(body!), events);
});

Deno.test("cut at every byte, with every line end, the events are the same and whole", async () => {
  const plain = 'event: a\ndata: {"é":"日本"}\n\ndata:{"b":\ndata: 1}\n\n';
  const spellings = [
    "\ufeff" + plain,
    plain.replaceAll("\n", "\r\n"),
    plain.replaceAll("\n", "\r"),
    ": a comment\n\n\n" + plain.replace("\ndata: {", '\nid: 7\nretry: 9\nd"[\ndatum: [\ndata: {'),
    plain.replace("\n\n", "\n\n: in between\n\n"),
  ];
  for (const text of spellings) {
    const bytes = encoder.encode(text);
    for (let at = 0; at <= bytes.length; at++) {
      const body = ReadableStream.from([bytes.slice(0, at), bytes.slice(at)]);
      const events = new EventBody(body, new ShortTurns(), 9_000, { isStream: true });
      let all = "";
      for (let read = await events.read(); !read.done; read = await events.read()) {
        const some = read.value;
        assertEquals(some.endsWith("\n\n"), true, JSON.stringify([text, at, some]));
        all += some;
      }
      assertEquals(all, plain, JSON.stringify([text, at]));
    }
  }
});

Deno.test("what a body ends with in the middle of an event is given as it is", async () => {
  assertEquals(await read("data: 1\n\ndata: 2\n"), "data: 1\n\ndata: 2\n");
  assertEquals(await read("data: 1\n\nda"), "data: 1\n\nda");
});

Deno.test("keys that the SDK takes for a prototype are left out, and nothing else", async () => {
  const kept = 'data: {"a":{"constructor":"Ford"}}\n\n';
  assertEquals(await read(kept), kept);
  const event = String.raw`data: {"a":1,"__proto__":{"b":1},"_\u005fproto__":2}` + "\n\n";
  assertEquals(await read(event, kept), 'data: {"a":1}\n\n' + kept);
  const spread = 'data: {"a":\ndata: {"constructor":{"prototype":1},"b":"x"}}\n\n';
  assertEquals(await read(spread), 'data: {"a":{"b":"x"}}\n\n');
});

Deno.test("one event is bounded in bytes, lines, values and depth, and the next one is new", async () => {
  const megabyte = "x".repeat(1024 * 1024);
  await oversized("an event of more than 4194304 bytes", 'data: "', ...Array(5).fill(megabyte));
  await oversized("more than 1000 lines", "data: 1\n".repeat(1_001));
  await oversized("nested deeper than 96", `data: ${"[".repeat(97)}`);
  await oversized("nested deeper than 96", ...Array(97).fill("data: [\n"));
  // A line without meaning must not put the counting off.
  await oversized("nested deeper than 96", 'd"\ndata: ' + "[".repeat(97));
  await oversized("of more values than 9000", `data: [${"1,".repeat(9_001)}`);
  const deep = `data: ${"[".repeat(90)}"[[[[\\"[[[["${"]".repeat(90)}\n\n`;
  assertEquals(await read(deep, deep), deep + deep);
});

Deno.test("a body that is cut off, and one that nobody wants any more", async () => {
  const broken = new ReadableStream<Uint8Array>({
    type: "bytes",
    pull(controller) {
      controller.error(new Error("cut"));
    },
  });
  const failure = await readAll(broken).catch((error: Error) => error.message);
  assertEquals(failure, "cut");
  let reason: unknown;
  const unwanted = new ReadableStream<Uint8Array>({
    type: "bytes",
    cancel(given) {
      reason = given;
    },
  });
  await new EventBody(unwanted, new ShortTurns(), 9_000, { isStream: true }).cancel("enough");
  assertEquals(reason, "enough");
});
