/** Clients that take their time: who takes something gets all of it, who takes nothing is dropped. */
import { assert, assertEquals, assertGreaterOrEqual, assertLessOrEqual } from "@std/assert";
import type { LoggedEvent } from "../../src/domain/event.ts";
import { LongTurns } from "../../src/domain/turns.ts";
import { runStream } from "../../src/http/stream.ts";
import { RunStream } from "../../src/runs/run_stream.ts";
import { dataStream } from "../../src/wire/data_stream.ts";

/** A run of three megabytes that has ended: one page of its log is all of it. */
const LONG = Array.from({ length: 3_000 }, (_, index): LoggedEvent => ({
  seq: index + 1,
  event: { type: "text-delta", id: "t", text: `${index} `.padEnd(1_000, "ab") },
}));

const WHOLE = LONG.map((logged) => dataStream.encode(logged, "r")).join("");

/** The run as a stream, of which `tick` is the time of the next keep-alive. */
function streamOf(events: LoggedEvent[]) {
  const identity = {
    id: "r",
    chatId: "c",
    ownerId: "o",
    messageId: "m",
    model: "x",
    protocol: "data",
    createdAt: 0,
  };
  const readLog = (_: string, after: number) => Promise.resolve(events.slice(after));
  const run = new RunStream(identity, readLog, { closed: true, head: events.length });
  const timers: (() => void)[] = [];
  const { setInterval } = globalThis;
  globalThis.setInterval =
    ((round: () => void) => timers.push(round)) as unknown as typeof setInterval;
  let closed = 0;
  const stream = runStream(run, {
    encoder: dataStream,
    after: 0,
    turns: new LongTurns(),
    keepAliveMs: 15_000,
    onClose: () => closed++,
  });
  globalThis.setInterval = setInterval;
  return {
    reader: stream.getReader(),
    tick: () => timers.forEach((round) => round()),
    closed: () => closed,
  };
}

Deno.test("who takes a little between two keep-alives gets all of it, in pieces", async () => {
  const { reader, tick, closed } = streamOf(LONG);
  const decoder = new TextDecoder();
  let got = "";
  let pieces = 0;
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    assertLessOrEqual(value.byteLength, 8 * 1024);
    assertEquals(value.at(-1), "\n".charCodeAt(0), "frames are whole");
    got += decoder.decode(value);
    pieces++;
    if (!closed()) tick();
  }
  assertEquals(got, WHOLE);
  assertGreaterOrEqual(pieces, 40);
  assertEquals(closed(), 1);
});

Deno.test("who takes nothing for five keep-alives is dropped, and nobody before", async () => {
  const { reader, tick, closed } = streamOf(LONG);
  await reader.read();
  for (let n = 0; n < 5; n++) tick();
  assertEquals(closed(), 0);
  await reader.read();
  for (let n = 0; n < 5; n++) tick();
  assertEquals(closed(), 0);
  tick();
  assertEquals(closed(), 1);
  const dropped = await reader.read().then(() => false, () => true);
  assert(dropped);
});

Deno.test("an event that is larger than a piece is sent in several, none of which keeps it all", async () => {
  const large = "a".repeat(200_000);
  const { reader } = streamOf(
    ["b", large, "c"].map((text, index) => ({
      seq: index + 1,
      event: { type: "text-delta", id: "t", text },
    })),
  );
  const pieces = [];
  for (;;) {
    const { value, done } = await reader.read();
    if (done) break;
    assertEquals(value.buffer.byteLength, value.byteLength);
    pieces.push(new TextDecoder().decode(value));
  }
  assertEquals(pieces.length, 2 + Math.ceil(200_005 / 8192));
  assertEquals(pieces.join(""), `0:"b"\n0:"${large}"\n0:"c"\n`);
});
