/** P2 and P4 for clients that take their time: a run waits for nobody, and nobody misses a byte. */
import { assert, assertEquals, assertGreaterOrEqual } from "@std/assert";
import { FakeClock } from "../kit/clock.ts";
import { replacing } from "../kit/stores.ts";
import { gate, type Step } from "../kit/provider/provider.ts";
import { type Scripted, startScripted } from "../kit/scripted.ts";
import { TOKENS } from "../kit/parley.ts";
import { Frames } from "./frames.ts";
import { Stored } from "./stored.ts";
import { assertSameBytes, Witness } from "./witness.ts";

/** More than a run keeps in memory (256 KiB), and than a stream keeps for its client. */
const LONG: Step[] = Array.from({ length: 200 }, (_, n) => ({ text: `${n} `.padEnd(8_192, "ab") }));

/** As many reads of a log as no reader of `LONG` needs. */
const TOO_MANY = 10_000;

/**
 * Joins past the sockets, of which the kernel's buffers would take a whole answer: who does not read
 * this response takes nothing at all.
 */
async function joinUnread({ server }: Scripted, chat: string, run: string): Promise<Response> {
  const { host } = new URL(server.url);
  const response = await server.parley.app.fetch(
    new Request(`${server.url}/api/v2/chats/${chat}/stream?run=${run}`, {
      headers: { host, "coder-session-token": TOKENS.alice },
    }),
  );
  assertEquals(response.status, 200);
  return response;
}

Deno.test("who reads nothing holds up nothing and gets all of it afterwards", async () => {
  const held = gate();
  await using scripted = await startScripted({
    script: { steps: [LONG[0]!, { wait: held }, ...LONG.slice(1)] },
  });
  const { server, provider } = scripted;
  const chat = await scripted.chat();
  const sent = await scripted.send(chat, "Hello");
  const run = sent.headers.get("parley-run-id")!;
  const unread = await joinUnread(scripted, chat, run);
  const quick = new Witness(await server.ask("GET", `/api/v2/chats/${chat}/stream`));
  held.open();
  assertEquals(await provider.requests[0]!.ended, "complete");
  assertEquals(await quick.over, "ended");
  assertEquals((await scripted.history(chat)).length, 2);

  await using stored = await Stored.open(server.dataDir);
  const { whole } = new Frames(await stored.log(run));
  assertGreaterOrEqual(whole.length, 1_000_000);
  assertSameBytes(quick.bytes, whole);
  assertSameBytes(await unread.bytes(), whole);
  assertSameBytes(await sent.bytes(), whole);
});

/** Counts the reads of logs, and fails them when they go round in circles. */
function countReads(reads: { count: number }) {
  return replacing(({ events }) => ({
    events: {
      read(...args) {
        if (++reads.count > TOO_MANY) throw new Error("the log is read again and again");
        return events.read(...args);
      },
    },
  }));
}

Deno.test("who reads a run of a chat that was deleted meanwhile is told, and holds up nobody", async () => {
  const reads = { count: 0 };
  await using scripted = await startScripted({
    script: { steps: LONG },
    stores: countReads(reads),
  });
  const chat = await scripted.chat();
  const quick = new Witness(await scripted.send(chat, "Hello"));
  const unread = await joinUnread(scripted, chat, quick.runId);
  await quick.over;
  const { status } = await scripted.server.ask("DELETE", `/api/v2/chats/${chat}`);
  assertEquals(status, 204);
  await assertGone(unread, reads);
});

Deno.test("who reads a run of which the log has expired is told, and holds up nobody", async () => {
  const reads = { count: 0 };
  const clock = new FakeClock();
  await using scripted = await startScripted({
    clock,
    script: { steps: LONG },
    stores: countReads(reads),
  });
  const chat = await scripted.chat();
  const quick = new Witness(await scripted.send(chat, "Hello"));
  const unread = await joinUnread(scripted, chat, quick.runId);
  await quick.over;
  await clock.sleeping(60_000);
  clock.advance(11 * 60_000);
  // A log is removed in steps with pauses in between.
  const steps = setInterval(() => clock.advance(20), 5);
  await clock.sleeping(60_000);
  clearInterval(steps);
  await assertGone(unread, reads);
});

/** A stream that cannot go on is broken off: a client must not take its beginning for all of it. */
async function assertGone(response: Response, reads: { count: number }): Promise<void> {
  const witness = new Witness(response);
  assertEquals(await witness.over, "broken");
  assert(reads.count < TOO_MANY, `the log was read ${reads.count} times`);
}
