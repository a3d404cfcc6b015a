import { assertEquals } from "@std/assert";
import { LineWriter } from "../../src/observe/lines.ts";

/** A sink that does with each write what it is told; what it took is `text`. */
function scripted() {
  const asked: PromiseWithResolvers<(bytes: Uint8Array) => number>[] = [];
  let turn = Promise.withResolvers<void>();
  const sink = {
    text: "",
    async write(bytes: Uint8Array): Promise<number> {
      const next = Promise.withResolvers<(bytes: Uint8Array) => number>();
      asked.push(next);
      turn.resolve();
      return (await next.promise)(bytes);
    },
    /** Lets the next write, which may be still to come, take so many bytes. */
    async take(count = Infinity) {
      (await sink.next()).resolve((bytes) => {
        const taken = bytes.subarray(0, count);
        sink.text += new TextDecoder().decode(taken);
        return taken.length;
      });
    },
    async fail(error: Error) {
      (await sink.next()).resolve(() => {
        throw error;
      });
    },
    async next() {
      while (asked.length === 0) {
        await turn.promise;
        turn = Promise.withResolvers();
      }
      return asked.shift()!;
    },
  };
  return sink;
}

const writerOn = (sink: ReturnType<typeof scripted>) =>
  new LineWriter(sink, (count) => `dropped ${count}`, { failed: 0, full: 0 });

Deno.test("lines are written in their order, however few bytes are taken at a time", async () => {
  const sink = scripted();
  const lines = writerOn(sink);
  for (const line of ["one", "two", "three"]) lines.write(line);
  await sink.take(2);
  await sink.fail(new Deno.errors.WouldBlock("full"));
  await sink.take(3);
  await sink.take();
  lines.write("four");
  await sink.take();
  await lines.flush(1_000);
  assertEquals(sink.text, "one\ntwo\nthree\nfour\n");
});

Deno.test("lines that cannot be written are counted, and the count is written later", async () => {
  const sink = scripted();
  const lines = writerOn(sink);
  for (const line of ["one", "two"]) lines.write(line);
  await sink.take();
  await sink.take(1);
  await sink.fail(new Error("No space left on device"));
  lines.write("three");
  await sink.fail(new Error("No space left on device"));
  lines.write("four");
  await sink.take();
  await lines.flush(1_000);
  assertEquals(sink.text, "one\nt\ndropped 2\nfour\n");
});

Deno.test("while nobody takes them, lines are kept up to a bound, and the others counted", async () => {
  const sink = scripted();
  const lines = writerOn(sink);
  const long = "x".repeat(1_000);
  for (let n = 0; n < 3_000; n++) lines.write(long);
  await lines.flush(1);
  let isOver = false;
  const taking = (async () => {
    while (!isOver) await sink.take();
  })();
  await lines.flush(5_000);
  const written = sink.text.split("\n");
  const kept = written.filter((line) => line === long).length;
  // The first one is on its way already.
  assertEquals(kept, 1_049);
  assertEquals(written.filter((line) => line.startsWith("dropped")), [`dropped ${3_000 - kept}`]);
  isOver = true;
  lines.write("the last");
  await taking;
});
