/** What Parley asks of a remote database: before the first token, while it follows, and when it is idle. */
import { assert, assertEquals } from "@std/assert";
import { systemClock } from "../../src/domain/clock.ts";
import { StreamReader } from "../kit/data_stream.ts";
import { gate } from "../kit/provider/provider.ts";
import { startPair } from "./shared_kit.ts";

type Pair = Awaited<ReturnType<typeof startPair>>;

/** Two Parleys whose model never ends by itself, once they have done what a start brings. */
async function startLive(settings: Record<string, string> = {}): Promise<Pair> {
  const pair = await startPair({ Hello: [{ text: "one " }, { stall: true }] }, {}, settings);
  await systemClock.sleep(500);
  return pair;
}

/** What the database is asked up to the first token of a message, by the first words of each request. */
async function untilToken(
  { a, db }: Pair,
  { by = a, headers = {} }: { by?: Pair["a"]; headers?: Record<string, string> } = {},
): Promise<string[]> {
  const before = db.requests.length;
  const reader = new StreamReader(await by.send("Hello", { busy: "reject" }, headers));
  await reader.until("one ");
  // What is done now and then takes no part.
  const asked = db.requests.slice(before).filter((sql) => !/stop_requested|AS "any"/.test(sql));
  await by.ask("POST", "/stop");
  await reader.rest();
  await systemClock.sleep(200);
  const words = asked.map((sql) => /SELECT chats|INSERT INTO \w+/.exec(sql)?.[0] ?? sql);
  // If the model is slow, the opening is stored before its first token comes: that delays nothing.
  return words.filter((word, at) => word !== "INSERT INTO events" || words[at - 1] !== word);
}

Deno.test("a first token costs three round trips: a look, the beginning, and itself", async () => {
  await using pair = await startLive();
  const three = ["SELECT chats", "INSERT INTO messages", "INSERT INTO events"];
  for (const which of ["the first message of a chat", "a later one"]) {
    assertEquals(await untilToken(pair), three, which);
  }
  assertEquals(await untilToken(pair, { headers: { "idempotency-key": "k" } }), three);
  // A process that has nothing of the chat reads its last messages with the rest.
  assertEquals(await untilToken(pair, { by: pair.b }), three);
});

Deno.test("if events may be stored after they are sent, a first token costs two", async () => {
  await using pair = await startLive({ PARLEY_DURABILITY: "after" });
  for (const _ of ["the first message of a chat", "a later one"]) {
    const sent = Promise.withResolvers<void>();
    pair.db.faults.hold = (sql) => sql.includes("INSERT INTO events") ? sent.promise : undefined;
    const before = pair.db.requests.length;
    const reader = new StreamReader(await pair.a.send("Hello"));
    await reader.until("one ");
    const asked = pair.db.requests.slice(before).map((sql) =>
      /SELECT chats|INTO \w+/.exec(sql)?.[0]
    );
    assertEquals(asked.slice(0, 2), ["SELECT chats", "INTO messages"]);
    sent.resolve();
    await pair.a.ask("POST", "/stop");
    await reader.rest();
  }
});

Deno.test("a run of another process is followed by one request at a time, and at rest there are few", async () => {
  const more = gate();
  await using pair = await startPair({ Hello: [{ text: "one " }, { wait: more }] });
  const { a, b, db } = pair;
  const atA = new StreamReader(await a.send("Hello"));
  await atA.until("one ");
  const atB = new StreamReader(await b.join());
  await atB.until("one ");
  const from = db.requests.length;
  await systemClock.sleep(3_000);
  const asked = db.requests.slice(from);
  const looks = asked.filter((sql) => sql.includes("spans")).length;
  // Five looks a second, and its state at every fifth.
  assert(looks > 5 && asked.length <= looks * 1.2 + 10, `${asked.length} requests, ${looks} looks`);
  more.open();
  await Promise.all([atA.rest(), atB.rest()]);
  await systemClock.sleep(200);
  const idle = db.requests.length;
  await systemClock.sleep(8_200);
  const atRest = db.requests.length - idle;
  assert(atRest <= 6, `${atRest} requests of two processes at rest in 8 s`);
});
