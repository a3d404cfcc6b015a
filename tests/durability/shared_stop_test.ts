/** A run of A is stopped by who asks B: by a stop, an interruption, or the deletion of the chat. */
import { assertEquals, assertMatch } from "@std/assert";
import { type Clock, systemClock } from "../../src/domain/clock.ts";
import { partsOf, StreamReader, textOf } from "../kit/data_stream.ts";
import type { Step } from "../kit/provider/provider.ts";
import { type Pair, startPair } from "./shared_kit.ts";

const STALLED: readonly Step[] = [{ text: "one " }, { stall: true }];

const runOf = (response: Response) => response.headers.get("parley-run-id")!;

/** A run of A that says "one " and nothing more. */
async function stalled({ a }: Pair): Promise<StreamReader> {
  const reader = new StreamReader(await a.send("Hello"));
  await reader.until("one ");
  return reader;
}

/** How a run's stream at A ends once it was stopped. */
async function assertStopped(pair: Pair, reader: StreamReader): Promise<void> {
  const parts = partsOf(await reader.rest());
  assertEquals(textOf(parts), "one ");
  assertEquals(parts.slice(-2).map(({ code }) => code), ["e", "d"]);
  assertEquals(await pair.provider.requests[0]!.ended, "client-closed");
}

function stateOf({ db }: Pair, run: string): unknown {
  return db.rows("SELECT state FROM runs WHERE id = ?", run)[0]?.["state"];
}

Deno.test("a stop at B ends a run of A, and answers once what it said is stored", async () => {
  await using pair = await startPair({ Hello: STALLED });
  const reader = await stalled(pair);
  const run = runOf(reader.response);
  const stale = await pair.b.ask("POST", "/stop", { body: { run_id: crypto.randomUUID() } });
  assertEquals(await stale.json(), { stopped: false, reason: "That run is not live." });
  const stop = await pair.b.ask("POST", "/stop", { body: { run_id: run } });
  assertEquals(await stop.json(), { stopped: true, run_id: run });
  assertEquals(stateOf(pair, run), "stopped");
  assertEquals((await pair.b.history()).map(({ content }) => content), ["Hello", "one "]);
  await assertStopped(pair, reader);
  const idle = await pair.b.ask("POST", "/stop", { body: {} });
  assertEquals(await idle.json(), { stopped: false, reason: "The chat is idle." });
});

Deno.test("a send to B that interrupts ends a run of A and is answered", async () => {
  await using pair = await startPair({ Hello: STALLED });
  const reader = await stalled(pair);
  const next = await pair.b.send("Next", { busy: "interrupt" });
  assertEquals(next.status, 200);
  assertEquals(textOf(partsOf(await next.text())), "ok");
  await assertStopped(pair, reader);
  const history = await pair.a.history();
  assertEquals(history.map(({ content }) => content), ["Hello", "one ", "Next", "ok"]);
});

Deno.test("a chat that is deleted at B is gone at A, with its run and what waits", async () => {
  await using pair = await startPair({ Hello: STALLED });
  const reader = await stalled(pair);
  const waiting = await pair.a.send("Next", { busy: "queue" });
  assertEquals((await pair.b.ask("DELETE", "")).status, 204);
  assertEquals(await waiting.text(), "");
  await assertStopped(pair, reader);
  const gone = await pair.a.ask("GET", "");
  assertEquals(gone.status, 404);
  await gone.body?.cancel();
  for (const table of ["chats", "messages", "runs", "events", "queue"]) {
    assertEquals(pair.db.rows(`SELECT * FROM ${table}`), [], table);
  }
  assertEquals(pair.asked("Next"), 0);
});

Deno.test("who reads a run at B gets its last part although A deletes the chat at once", async () => {
  await using pair = await startPair({ Hello: STALLED });
  const reader = await stalled(pair);
  const atB = new StreamReader(await pair.b.join());
  await atB.until("one ");
  assertEquals((await pair.a.ask("DELETE", "")).status, 204);
  await assertStopped(pair, reader);
  const parts = partsOf(await atB.rest());
  assertEquals(textOf(parts), "one ");
  assertEquals(parts.at(-1)?.code, "d");
});

/** Real time, but that what looks at another's run need not wait for it. */
class HurriedClock implements Clock {
  #ahead = 0;

  now = (): number => systemClock.now() + this.#ahead;

  elapsed = (): number => systemClock.elapsed() + this.#ahead;

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (ms !== 200) return await systemClock.sleep(ms, signal);
    this.#ahead += ms;
    await systemClock.sleep(1, signal);
  }
}

Deno.test("a stop of a run whose process does not answer says so, and so does an interruption", async () => {
  await using pair = await startPair({ Hello: STALLED }, { clock: new HurriedClock() });
  const reader = await stalled(pair);
  const run = runOf(reader.response);
  // Nobody heeds what is asked of a process that is not there; its lease is good for long.
  const until = Date.now() + 1e9;
  pair.db.rows("UPDATE runs SET lease_owner = 'another', lease_until = ? WHERE id = ?", until, run);
  const stop = await (await pair.b.ask("POST", "/stop", { body: {} })).json();
  assertEquals([stop.stopped, stop.run_id], [false, run]);
  assertMatch(stop.reason, /Stop requested/);
  const next = await pair.b.send("Next", { busy: "interrupt" });
  assertEquals([next.status, runOf(next)], [409, run]);
  await next.body?.cancel();
  assertEquals(stateOf(pair, run), "running");
  assertEquals(pair.asked("Next"), 0);
});
