/** P3, P4 and P12 while the server of a shared database restarts: what it does not take yet, waits. */
import { assert, assertEquals } from "@std/assert";
import { FastClock } from "../kit/clock.ts";
import { partsOf, StreamReader, textOf } from "../kit/data_stream.ts";
import { gate, type Step } from "../kit/provider/provider.ts";
import { startRemoteDatabase } from "../kit/remote_database.ts";
import { startScripted } from "../kit/scripted.ts";
import { type Pair, startPair } from "./shared_kit.ts";

const textIn = (stream: string) => textOf(partsOf(stream));

/** An answer of so many words, some milliseconds apart. */
function words(count: number, delay: number): Step[] {
  return Array.from({ length: count }, (_, n) => [{ delay }, { text: `word ${n} ` }]).flat();
}

/** The streams of runs that A makes in chats of their own; those of B follow them. */
async function begin({ a, b }: Pair, count: number): Promise<StreamReader[]> {
  const chats = await Promise.all(
    Array.from({ length: count }, () => a.server.newChat({ body: { title: "A chat" } })),
  );
  const message = { role: "user", content: "Hello" };
  const readers = await Promise.all(chats.map(async (chat) => {
    const sent = new StreamReader(
      await a.server.ask("POST", `/api/v2/chats/${chat}/messages`, {
        body: { message, model: "scripted" },
      }),
    );
    await sent.until("word 0 ");
    const joined = await b.server.ask("GET", `/api/v2/chats/${chat}/stream`);
    return [sent, new StreamReader(joined)];
  }));
  return readers.flat();
}

for (const [ms, count] of [[100, 40], [1_500, 200], [10_000, 1_200]] as const) {
  Deno.test(`every answer is whole although the database is away for ${ms} ms`, async () => {
    await using pair = await startPair({ Hello: words(count, 10) });
    const readers = await begin(pair, 8);
    await pair.db.restart(ms);
    const whole = words(count, 0).map((step) => "text" in step ? step.text : "").join("");
    for (const reader of readers) {
      const parts = partsOf(await reader.rest());
      assertEquals(textOf(parts), whole);
      assertEquals(parts.slice(-2).map(({ code }) => code), ["e", "d"]);
    }
    const states = pair.db.rows("SELECT DISTINCT state FROM runs").map(({ state }) => state);
    assertEquals(states, ["completed"]);
    const errors = pair.a.server.logged.filter((line) => JSON.parse(line).level === "error");
    assertEquals(errors, []);
  });
}

Deno.test("a run whose provider fails while the database is away asks it again", async () => {
  await using db = await startRemoteDatabase();
  const asked = gate();
  const fail = gate();
  let requests = 0;
  await using scripted = await startScripted({
    env: db.env,
    script: () => {
      if (requests++ > 0) return { steps: [{ text: "here" }] };
      asked.open();
      return { steps: [{ wait: fail }, { cut: true }] };
    },
  });
  const chat = await scripted.chat();
  const reader = new StreamReader(await scripted.send(chat, "Hello"));
  await asked;
  const restarted = db.restart(3_000);
  fail.open();
  assertEquals(textIn(await reader.rest()), "here");
  await restarted;
  assertEquals(
    db.rows("SELECT kind, outcome FROM attempts ORDER BY rowid").map((row) => ({ ...row })),
    [
      { kind: "answer", outcome: "failed" },
      { kind: "retry", outcome: "completed" },
    ],
  );
});

Deno.test("who falls behind while the database is away gets all of a run", async () => {
  const more = gate();
  await using pair = await startPair({
    Hello: [
      ...Array.from({ length: 40 }, (_, n) => ({ text: `${n} ${"x".repeat(100_000)}` })),
      { text: "one " },
      { wait: more },
      { text: "two" },
    ],
  });
  const { a, db } = pair;
  const sent = new StreamReader(await a.send("Hello"));
  await sent.until("one ");
  const run = sent.response.headers.get("parley-run-id")!;
  // It takes nothing yet, and soon what comes next is no longer in memory.
  const late = new StreamReader(await a.join({ run }));
  const restarted = db.restart(2_500);
  const got = late.rest();
  await restarted;
  more.open();
  const whole = await sent.rest();
  assert(await got === whole, "the stream is not whole");
});

Deno.test("a run ends as failed once its lease ends, and what it said is stored when the database is back", async () => {
  await using db = await startRemoteDatabase();
  const more = gate();
  await using scripted = await startScripted({
    env: db.env,
    clock: new FastClock(10),
    script: { steps: [{ text: "one " }, { wait: more }, { text: "two " }] },
  });
  const chat = await scripted.chat();
  const reader = new StreamReader(await scripted.send(chat, "Hello"));
  await reader.until("one ");
  await db.refuse();
  more.open();
  const parts = partsOf(await reader.rest());
  assertEquals(parts.slice(-2).map(({ code }) => code), ["3", "d"]);
  await db.listen();
  const next = await scripted.send(chat, "And?", { busy: "queue" });
  assertEquals(next.status, 200);
  more.open();
  assert(textIn(await next.text()).startsWith("one "));
  assertEquals((await scripted.history(chat))[1]?.content, "one ");
});
