/**
 * P3: a start after a crash ends every run that was left, whatever its log holds. The server listens first,
 * and whoever asks for a chat finds it as if its run had been ended before.
 */
import { assert, assertEquals } from "@std/assert";
import { assemble } from "../../src/domain/assembly.ts";
import { systemClock } from "../../src/domain/clock.ts";
import type { RunEvent } from "../../src/domain/event.ts";
import { messageText } from "../../src/domain/message.ts";
import { localPrincipal } from "../../src/domain/principal.ts";
import { attemptStore } from "../../src/store/attempts.ts";
import { Buckets } from "../../src/store/buckets.ts";
import { chatStore } from "../../src/store/chats.ts";
import { openDatabase } from "../../src/store/database.ts";
import { eventStore } from "../../src/store/events.ts";
import { runStore } from "../../src/store/runs.ts";
import { statement } from "../../src/store/statement.ts";
import { MIGRATIONS } from "../kit/database.ts";
import { partsOf, textOf } from "../kit/data_stream.ts";
import { countOf } from "../kit/random.ts";
import { startScripted } from "../kit/scripted.ts";
import { beginningOf, chatOf } from "../kit/stored_run.ts";
import { rowsOf } from "./many_kit.ts";

/** How many runs a crash leaves. */
const RUNS = countOf("PARLEY_RECOVER", 300);

const ALICE = localPrincipal("alice").id;

/** How deep a tool's input is nested, which no recursion that is a bit deeper survives. */
const DEPTH = 5_000;

/** Logs that are out of the ordinary, by the number of their run. */
const ODD: Readonly<Record<number, string>> = {
  7: "cannot be parsed",
  11: "has a deep input",
  13: "is empty",
  17: "is cut in its middle",
  19: "is of no events",
};

function chatId(n: number): string {
  return `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
}

function logOf(n: number): RunEvent[] {
  const messageId = `m${n}`;
  const log: RunEvent[] = [
    { type: "start", messageId, model: "x" },
    { type: "step-start", messageId },
    { type: "text-start", id: "0" },
  ];
  for (let word = 0; word < 10; word++) log.push({ type: "text-delta", id: "0", text: `${n} ` });
  return log;
}

function deepInput(): RunEvent {
  const input = JSON.parse(`${'{"a":'.repeat(DEPTH)}1${"}".repeat(DEPTH)}`);
  return { type: "tool-input", toolCallId: "call", toolName: "deep", input };
}

/** Leaves `count` runs as a crash does: begun, with a log and no end. */
async function leaveRuns(dataDir: string, count: number): Promise<void> {
  const url = `file:${dataDir}/parley.db`;
  const db = await openDatabase({ url, migrations: MIGRATIONS });
  const buckets = new Buckets(db, { shared: false });
  const [chats, runs] = [chatStore(db), runStore(db, buckets)];
  const events = eventStore(db, "gone", buckets);
  const attempts = attemptStore(db);
  for (let n = 0; n < count; n++) {
    const whose = { chatId: chatId(n), ownerId: ALICE };
    await chats.create({ ...chatOf(), id: whose.chatId, ownerId: ALICE }, { titled: true });
    const { run, attempt, ...beginning } = beginningOf(`${n}`, { owner: "gone", until: 0 });
    const begun = { ...beginning, run: { ...run, ...whose }, attempt: { ...attempt, ...whose } };
    assertEquals(await runs.begin(begun), "begun");
    if (ODD[n] === "is empty") continue;
    const log = logOf(n);
    if (ODD[n] === "has a deep input") log.push({ type: "text-end", id: "0" }, deepInput());
    const half = Math.floor(log.length / 2);
    await events.append([{ runId: `r${n}`, first: 1, events: log.slice(0, half) }], []);
    await events.append([{ runId: `r${n}`, first: half + 1, events: log.slice(half) }], []);
  }
  // A second request of a run, and a title, were under way too.
  const { attempt } = beginningOf("0");
  await attempts.open({ ...attempt, id: "retry", kind: "retry" });
  await attempts.open({ ...attempt, id: "title", kind: "title", runId: null });
  const spoil = (data: string, n: number, and = "") =>
    db.write([statement(`UPDATE events SET data = ? WHERE run_id = ? ${and}`, [data, `r${n}`])]);
  await spoil("{", 7);
  await spoil('[{"type":', 17, "AND seq > 1");
  await spoil('[1,null,{"type":"nonsense"},"x"]', 19, "AND seq > 1");
  await db.close();
}

/** Counts the syncs of files. */
class Syncs implements Disposable {
  count = 0;
  readonly #real = Deno.FsFile.prototype.syncData;

  constructor() {
    const [real, counted] = [this.#real, () => this.count++];
    Deno.FsFile.prototype.syncData = function () {
      counted();
      return real.call(this);
    };
  }

  [Symbol.dispose](): void {
    Deno.FsFile.prototype.syncData = this.#real;
  }
}

Deno.test(`a start ends ${RUNS} runs that a crash left, whatever is in their logs`, async () => {
  const dataDir = await Deno.makeTempDir({ prefix: "parley-test-" });
  try {
    await leaveRuns(dataDir, RUNS);
    using syncs = new Syncs();
    await using scripted = await startScripted({ dataDir });
    const ready = await scripted.server.ask("GET", "/readyz");
    assertEquals([ready.status, await ready.text()], [200, "OK"]);
    const states = () =>
      rowsOf(dataDir, "SELECT state, count(*) AS n FROM runs GROUP BY state ORDER BY state");
    assertEquals((await states()).at(-1)?.state, "running", "the server listened too late");
    // The last that would have their turns.
    for (const n of [RUNS - 1, RUNS - 2, RUNS - 3]) {
      const history = await scripted.history(chatId(n));
      assertEquals(history.map(({ id }) => id), [`u${n}`, `m${n}`]);
    }
    while ((await states()).some(({ state }) => state === "running")) await systemClock.sleep(20);
    assertEquals((await states()).map(({ state, n }) => [state, n]), [["interrupted", RUNS]]);
    // The tables, what begins a server, and moves of the log: none for each run.
    assert(syncs.count <= 20 + RUNS / 50, `${syncs.count} syncs`);

    const open = await rowsOf(dataDir, "SELECT id FROM attempts WHERE outcome = 'open'");
    assertEquals(open, []);

    const answers = await rowsOf(
      dataDir,
      "SELECT chat_id, id, parts, status FROM messages WHERE role = 'assistant'",
    );
    const byChat = new Map(answers.map((answer) => [answer.chat_id, answer]));
    for (let n = 0; n < RUNS; n++) {
      const odd = ODD[n];
      const answer = byChat.get(chatId(n));
      if (odd === "is empty") assertEquals(answer, undefined);
      if (odd !== undefined && odd !== "has a deep input") continue;
      assertEquals([answer?.id, answer?.status], [`m${n}`, "interrupted"]);
      const text = messageText({ parts: JSON.parse(String(answer!.parts)) });
      assertEquals(text, messageText({ parts: assemble(logOf(n), { ended: true }) }), `run ${n}`);
    }
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
});

Deno.test("a chat is answered after a start, whatever was in its log", async () => {
  const dataDir = await Deno.makeTempDir({ prefix: "parley-test-" });
  try {
    await leaveRuns(dataDir, 20);
    await using scripted = await startScripted({ dataDir });
    for (let n = 0; n < 20; n++) {
      const chat = chatId(n);
      const answer = await scripted.send(chat, "and now?");
      assertEquals([answer.status, textOf(partsOf(await answer.text()))], [200, "ok"], `run ${n}`);
      for (const form of ["data", "ui"]) {
        const path = `/api/v2/chats/${chat}/messages?protocol=${form}`;
        const history = await scripted.server.ask("GET", path);
        assertEquals(history.status, 200, ODD[n]);
        await history.text();
      }
    }
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
});
