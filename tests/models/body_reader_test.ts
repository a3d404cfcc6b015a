/** A body is read whole, whatever kind of stream it is, and however large its pieces are. */
import { assertEquals } from "@std/assert";
import { BodyReader } from "../../src/models/packages/body_reader.ts";

const BYTES = crypto.getRandomValues(new Uint8Array(50_000));

async function readAll(body: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  const reader = new BodyReader(body);
  const all: number[] = [];
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    all.push(...read.value);
  }
  return new Uint8Array(all);
}

Deno.test("a body over a socket", async () => {
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => new Response(BYTES),
  );
  const { port } = server.addr as Deno.NetAddr;
  const { body } = await fetch(`http://127.0.0.1:${port}`);
  assertEquals(await readAll(body!), BYTES);
});

Deno.test("a stream that is none of bytes", async () => {
  const pieces = [BYTES.slice(0, 3), BYTES.slice(3, 40_000), BYTES.slice(40_000)];
  assertEquals(await readAll(ReadableStream.from(pieces)), BYTES);
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
  await new BodyReader(unwanted).cancel("enough");
  assertEquals(reason, "enough");
});
