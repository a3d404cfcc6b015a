/** A shutdown on a slow line to the database, while the next message is about to be begun. */
import { assertEquals } from "@std/assert";
import { systemClock } from "../../src/domain/clock.ts";
import { StreamReader } from "../kit/data_stream.ts";
import { type Gate, gate } from "../kit/provider/provider.ts";
import { type Pair, startPair } from "./shared_kit.ts";

/** How far the beginning is, and what is asked of the database then. */
const READS = [
  ["its turn is looked up", "ORDER BY created_at, rowid LIMIT 1"],
  ["the chat is looked at", "json_group_array(m.key)"],
] as const;

for (const [name, text] of READS) {
  Deno.test(`a message whose shutdown comes while ${name} stays queued`, async () => {
    const more = gate();
    await using pair = await startPair({ Hello: [{ text: "one " }, { wait: more }] });
    const { live, waiting } = await liveAndWaiting(pair);
    // Behind the look whether it can begin at once.
    await systemClock.sleep(100);
    await drainWhile(pair, text, more, 1_000);
    await Promise.all([live.rest(), waiting.rest()]);
    assertEquals(pair.asked("Next"), 0);
    assertEquals(pair.db.rows("SELECT failure FROM queue").length, 1);
    assertEquals(pair.db.rows("SELECT state FROM runs").map(({ state }) => state), ["completed"]);
  });
}

Deno.test("a message whose shutdown comes while it is being begun is answered", async () => {
  const more = gate();
  await using pair = await startPair({ Hello: [{ text: "one " }, { wait: more }] });
  const { live, waiting } = await liveAndWaiting(pair);
  await drainWhile(pair, "INSERT INTO runs", more, 5_000);
  await live.rest();
  await waiting.until("ok");
  await waiting.rest();
  assertEquals(pair.asked("Next"), 1);
  const states = pair.db.rows("SELECT state FROM runs").map(({ state }) => state);
  assertEquals(states, ["completed", "completed"]);
});

/** An answer of A that waits in the middle, and a message that waits behind it. */
async function liveAndWaiting({ a }: Pair) {
  const live = new StreamReader(await a.send("Hello"));
  await live.until("one ");
  const waiting = new StreamReader(await a.send("Next", { busy: "queue" }));
  return { live, waiting };
}

/** Lets the answer end, and shuts A down while the database is asked for that. */
async function drainWhile({ a, db }: Pair, text: string, more: Gate, grace: number) {
  const going = gate();
  const asked = db.asked(text);
  db.faults.hold = (sql) => sql.includes(text) ? going.opened : undefined;
  more.open();
  await asked;
  const drained = a.server.parley.drain(grace);
  going.open();
  await drained;
}
