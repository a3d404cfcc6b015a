/** P4 and P12 over a line to a remote database that breaks, and what the line costs. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { FastClock } from "../kit/clock.ts";
import { partsOf, StreamReader, textOf } from "../kit/data_stream.ts";
import { eventually } from "../e2e/client.ts";
import { spawnParley } from "../kit/process.ts";
import { gate } from "../kit/provider/provider.ts";
import { loseAnswers, startRemoteDatabase } from "../kit/remote_database.ts";
import { type Scripted, startScripted } from "../kit/scripted.ts";

const wholeText = async (response: Response) => textOf(partsOf(await response.text()));

Deno.test("a first token is made once, and no process tells of a file that it has not", async () => {
  await using db = await startRemoteDatabase();
  const stderr: string[] = [];
  for (let n = 0; n < 2; n++) {
    await using server = await spawnParley({ env: db.env });
    await eventually(
      "it says how to begin",
      () => Promise.resolve(server.stderr.includes("/docs\n") || undefined),
    );
    stderr.push(server.stderr);
    const has = await Deno.stat(`${server.dataDir}/token`).then(() => true, () => false);
    assertEquals(has, n === 0);
  }
  assertMatch(
    stderr[0]!,
    /^\S+ INFO {2}Parley starts .*\nA token was made .*\/token\.\nTry it: curl .*\nThe API reference: .*\n$/,
  );
  assertMatch(
    stderr[1]!,
    /^\S+ INFO {2}Parley starts .*\nTo make a token: .*\nThe API reference: .*\n$/,
  );
  assertEquals(db.rows("SELECT name FROM tokens").length, 1);
});

/** A run that said "one " and meets a fault before it says more. */
async function cutRun(
  { send, chat: newChat, server }: Scripted,
  fault: () => Promise<void> | void,
  goOn: () => void,
) {
  const chat = await newChat();
  const reader = new StreamReader(await send(chat, "Hello"));
  await reader.until("one ");
  await fault();
  goOn();
  const parts = partsOf(await reader.rest());
  assertEquals(parts.slice(-2).map(({ code }) => code), ["3", "d"]);
  const logged = server.logged.map((line) => JSON.parse(line));
  const [line, ...more] = logged.filter(({ level }) => level === "error");
  assertEquals(more, []);
  assertEquals(line.message, "a run's log cannot be stored");
  return { chat, run: line.run as string, reason: line.reason as string, text: textOf(parts) };
}

/** Sends to a chat whose run could not be stored: it is answered once that run has ended. */
async function checkFree(scripted: Scripted, chat: string): Promise<void> {
  scripted.provider.script({ steps: [{ text: "here" }] });
  const next = await scripted.send(chat, "And now?", { busy: "queue" });
  assertEquals(await wholeText(next), "here");
}

for (const durability of ["before", "after"]) {
  Deno.test(`a run whose database goes out of reach has a typed end, stored ${durability}`, async () => {
    await using db = await startRemoteDatabase();
    const more = gate();
    await using scripted = await startScripted({
      env: { ...db.env, PARLEY_DURABILITY: durability },
      // Its lease ends soon.
      clock: new FastClock(5),
      script: { steps: [{ text: "one " }, { wait: more }, { text: "two " }] },
    });
    const { server } = scripted;
    const { chat, reason, text } = await cutRun(scripted, () => db.refuse(), more.open);
    assertMatch(reason, /^The database cannot be reached\. It gave no answer/);

    const refused = await server.ask("GET", `/api/v2/chats/${chat}`);
    assertEquals([refused.status, refused.headers.get("retry-after")], [503, "5"]);
    assertEquals((await refused.json()).message, "The database cannot be reached");
    const ready = await server.ask("GET", "/readyz", { token: null });
    await ready.body?.cancel();
    assertEquals(ready.status, 503);
    await (await server.ask("GET", "/healthz")).body?.cancel();

    await db.listen();
    await checkFree(scripted, chat);
    const [, answer] = await scripted.history(chat);
    assertEquals(answer?.content, text);
    if (durability === "before") assertEquals(text, "one ");
    const states = db.rows("SELECT state FROM runs ORDER BY created_at");
    assertEquals(states.map(({ state }) => state), ["failed", "completed"]);
  });
}

Deno.test("a run that was stored although no answer said so is not ended twice, and its chat is free", async () => {
  await using db = await startRemoteDatabase();
  const more = gate();
  await using scripted = await startScripted({
    env: db.env,
    clock: new FastClock(5),
    script: { steps: [{ text: "one " }, { wait: more }, { text: "two" }] },
  });
  const lose = () => loseAnswers(db, "events", { always: true });
  const { chat, run } = await cutRun(scripted, lose, more.open);
  db.faults.cut = undefined;
  await checkFree(scripted, chat);
  const [, answer, ...next] = await scripted.history(chat);
  assertMatch(answer!.content, /^one (two)?$/);
  const replay = await scripted.server.ask("GET", `/api/v2/chats/${chat}/stream?run=${run}`);
  const parts = partsOf(await replay.text());
  assertEquals(textOf(parts), answer!.content);
  // Its ending may have been stored with its last words, and only its clients were not told.
  const [stored] = db.rows("SELECT state FROM runs ORDER BY rowid");
  const end = stored!["state"] === "completed" ? ["e", "d"] : ["3", "d"];
  assertEquals(parts.slice(-2).map(({ code }) => code), end);
  assertEquals(next.map(({ content }) => content), ["And now?", "here"]);
  const log = db.rows("SELECT run_id, seq, last_seq FROM events ORDER BY run_id, seq");
  log.forEach(({ run_id, seq }, index) => {
    const before = log[index - 1];
    const last = before?.["run_id"] === run_id ? Number(before?.["last_seq"]) : 0;
    assertEquals(seq, last + 1);
  });
});

Deno.test("durability after saves the round trip, and history is still what was seen", async () => {
  await using db = await startRemoteDatabase();
  const firstToken = async (durability: string) => {
    const more = gate();
    await using scripted = await startScripted({
      env: { ...db.env, PARLEY_DURABILITY: durability },
      script: { steps: [{ text: "one " }, { wait: more }, { text: "two" }] },
    });
    const chat = await scripted.chat();
    db.faults.latencyMs = 50;
    const sentAt = performance.now();
    const reader = new StreamReader(await scripted.send(chat, "Hello"));
    await reader.until("one ");
    const ms = performance.now() - sentAt;
    db.faults.latencyMs = 0;
    more.open();
    const seen = textOf(partsOf(await reader.rest()));
    assertEquals((await scripted.history(chat)).at(-1)?.content, seen);
    return ms;
  };
  // The fastest of three: a busy machine only adds.
  const fastest = async (durability: string) => {
    let best = Infinity;
    for (let n = 0; n < 3; n++) best = Math.min(best, await firstToken(durability));
    return best;
  };
  const [before, after] = [await fastest("before"), await fastest("after")];
  assert(before - after > 35, `before ${before} ms, after ${after} ms`);
});
