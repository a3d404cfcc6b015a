/** What a server refuses: rows of more than 5,000,000 bytes, answers of more than 10 MB. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { systemClock } from "../../src/domain/clock.ts";
import { partsOf, StreamReader, textOf } from "../kit/data_stream.ts";
import { gate } from "../kit/provider/provider.ts";
import { startRemoteDatabase } from "../kit/remote_database.ts";
import { startScripted } from "../kit/scripted.ts";

const LARGE = {
  PARLEY_LIMIT_MESSAGE_CHARS: "9000000",
  PARLEY_LIMIT_BODY_BYTES: "64000000",
  PARLEY_LIMIT_PROMPT_BYTES: "200000000",
};

for (const busy of [false, true]) {
  Deno.test(`a message that makes too large a row is a 413${busy ? " where it waits" : ""}`, async () => {
    await using db = await startRemoteDatabase();
    await using scripted = await startScripted({
      env: { ...db.env, ...LARGE },
      script: { steps: [{ text: "one " }, { stall: true }] },
    });
    const chat = await scripted.chat();
    const live = busy ? new StreamReader(await scripted.send(chat, "Hello")) : undefined;
    await live?.until("one ");
    const refused = await scripted.send(chat, "x".repeat(5_100_000), { busy: "queue" });
    assertEquals(refused.status, 413);
    assertMatch((await refused.json()).detail, /at most 5000000 bytes/);
    assertEquals(db.rows("SELECT * FROM queue"), []);
    assertEquals(db.rows("SELECT * FROM messages").length, busy ? 1 : 0);
    await live?.leave();
  });
}

Deno.test("an answer as large as can be is stored and read, and a larger one ends as failed", async () => {
  await using db = await startRemoteDatabase();
  await using scripted = await startScripted({ env: { ...db.env, ...LARGE } });
  // Quotes take twice their place in JSON.
  const steps = (count: number) =>
    Array.from({ length: count }, () => ({ text: '"'.repeat(50_000) }));
  for (const [count, state] of [[44, "completed"], [52, "failed"]] as const) {
    const chat = await scripted.chat();
    scripted.provider.script({ steps: steps(count) });
    const parts = partsOf(await (await scripted.send(chat, "Hello")).text());
    assertEquals(parts.at(-1)?.code, "d");
    const [run] = db.rows("SELECT state FROM runs WHERE chat_id = ?", chat);
    assertEquals(run!["state"], state);
    const [, answer] = await scripted.history(chat);
    assertEquals(answer?.content, textOf(parts));
  }
});

Deno.test("the logs of many runs that are large together are stored by parts", async () => {
  await using db = await startRemoteDatabase();
  const more = gate();
  await using scripted = await startScripted({
    env: db.env,
    script: { steps: [{ text: "one " }, { wait: more }, { text: '"'.repeat(1_400_000) }] },
  });
  const readers = await Promise.all(Array.from({ length: 4 }, async () => {
    const reader = new StreamReader(await scripted.send(await scripted.chat(), "Hello"));
    await reader.until("one ");
    return reader;
  }));
  // While a group is slow, much comes for the next one.
  db.faults.hold = (sql) =>
    sql.includes("INSERT INTO events ") ? systemClock.sleep(150) : undefined;
  more.open();
  for (const reader of readers) {
    const text = textOf(partsOf(await reader.rest()));
    assertEquals(text.length, 1_400_004);
  }
  const states = db.rows("SELECT DISTINCT state FROM runs").map(({ state }) => state);
  assertEquals(states, ["completed"]);
});

Deno.test("a queue of more than the server's largest answer is listed", async () => {
  await using db = await startRemoteDatabase();
  await using scripted = await startScripted({
    env: { ...db.env, ...LARGE },
    script: { steps: [{ text: "one " }, { stall: true }] },
  });
  const { server } = scripted;
  const chat = await scripted.chat();
  const live = new StreamReader(await scripted.send(chat, "Hello"));
  await live.until("one ");
  for (let n = 0; n < 4; n++) {
    const text = `${n} ${"x".repeat(3_000_000)}`;
    const waiting = await scripted.send(chat, text, { busy: "queue" });
    assertEquals(waiting.status, 200);
    await waiting.body?.cancel();
  }
  const listed = await server.ask("GET", `/api/v2/chats/${chat}/queue`);
  assertEquals(listed.status, 200);
  const queue = await listed.json();
  const firsts = queue.map((entry: unknown) => /"(\d) x/.exec(JSON.stringify(entry))?.[1]);
  assertEquals(firsts, ["0", "1", "2", "3"]);
  assert(db.answers.every((size) => size < 10_000_000), "an answer is too large");
  await live.leave();
});
