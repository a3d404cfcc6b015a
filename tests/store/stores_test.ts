/** What the stores keep, on a file and on a remote database. */
import { assertEquals } from "@std/assert";
import type { ChatFile } from "../../src/domain/file.ts";
import type { Part } from "../../src/domain/message.ts";
import type { QueuedSend, RunBeginning, Wanted } from "../../src/domain/records.ts";
import { NO_USAGE } from "../../src/domain/usage.ts";
import { attemptStore } from "../../src/store/attempts.ts";
import { Buckets } from "../../src/store/buckets.ts";
import { chatStore } from "../../src/store/chats.ts";
import type { Database } from "../../src/store/database.ts";
import { eventStore } from "../../src/store/events.ts";
import { fileStore } from "../../src/store/files.ts";
import { leaseStore } from "../../src/store/leases.ts";
import { messageStore } from "../../src/store/messages.ts";
import { queueStore } from "../../src/store/queue.ts";
import { runStore } from "../../src/store/runs.ts";
import { sendKeyStore } from "../../src/store/send_keys.ts";
import { statement } from "../../src/store/statement.ts";
import { DATABASES } from "../kit/database.ts";
import { beginningOf, chatOf, endingOf, runOf } from "../kit/stored_run.ts";

function storesOf(db: Database) {
  const buckets = new Buckets(db, { shared: false });
  return {
    chats: chatStore(db),
    messages: messageStore(db),
    files: fileStore(db),
    queue: queueStore(db),
    runs: runStore(db, buckets),
    log: eventStore(db, "me", buckets),
    leases: leaseStore(db),
    keys: sendKeyStore(db),
    attempts: attemptStore(db),
  };
}

type Stores = ReturnType<typeof storesOf>;

async function begin({ chats, runs }: Stores, name: string, more: Partial<RunBeginning> = {}) {
  await chats.create(chatOf(name), { titled: false });
  assertEquals(await runs.begin({ ...beginningOf(name), ...more }), "begun");
}

const delta = { type: "text-delta" as const, id: "t", text: "x" };
const groupOf = (name: string, first: number) => ({ runId: `r${name}`, first, events: [delta] });

function answerOf(name: string, key = `answer${name}`) {
  return {
    ...beginningOf(name).prompt,
    key,
    parentKey: `k${name}`,
    id: `m${name}`,
    role: "assistant" as const,
    model: "x",
  };
}

/** Any table with rows of that chat, or of its run. */
async function leftOf(db: Database, name: string): Promise<string[]> {
  const tables = ["messages", "runs", "queue", "sends", "files", "attempts"].map((table) =>
    `SELECT '${table}' AS name FROM ${table} WHERE chat_id = 'c${name}'`
  );
  const rows = await db.all(statement<{ name: string }>(
    [
      ...tables,
      `SELECT 'events' FROM events WHERE run_id = 'r${name}'`,
      "SELECT 'file_pieces' FROM file_pieces WHERE id NOT IN (SELECT id FROM files)",
    ].join(" UNION "),
  ));
  return rows.map((row) => row.name);
}

function fileOf(chat: string, id = crypto.randomUUID()): ChatFile {
  return {
    id,
    chatId: chat,
    ownerId: "o",
    mediaType: "text/plain",
    filename: "a.txt",
    size: 3,
    createdAt: 5,
  };
}

function queuedOf(name: string, id: string, parts: Part[] = []): QueuedSend {
  const { promptKey: _, textOnly: __, ...run } = runOf(name);
  return {
    run: { ...run, id },
    request: {
      message: { id: `u${id}`, role: "user", parts, metadata: {} },
      thinking: false,
      tools: [],
      output: null,
      unattended: "ask",
    },
    failure: null,
  };
}

/** Limits of the queues of chats. */
function upTo(perChat: number, perUser = 10, bytesPerChat = 1_000_000) {
  return { perChat, perUser, bytesPerChat };
}

for (const [kind, open] of Object.entries(DATABASES)) {
  const test = (name: string, fn: (stores: Stores, db: Database) => Promise<void>) =>
    Deno.test(`${kind}: ${name}`, async () => {
      await using db = await open();
      await fn(storesOf(db), db);
    });

  test("a chat is listed, renamed, named once and gone", async ({ chats }) => {
    for (const [name, updatedAt] of [["a", 1], ["b", 3], ["c", 3]] as const) {
      await chats.create({ ...chatOf(name), title: "New Chat", updatedAt }, { titled: false });
    }
    const ids = async (page: Parameters<typeof chats.list>[1]) =>
      (await chats.list("o", page)).map(({ id }) => id);
    assertEquals(await ids({}), ["cc", "cb", "ca"]);
    assertEquals(await ids({ limit: 1, after: { updatedAt: 3, id: "cc" } }), ["cb"]);
    assertEquals(await chats.nameOnce("o", "ca", "Generated"), true);
    assertEquals(await chats.nameOnce("o", "ca", "Again"), false);
    assertEquals((await chats.rename("o", "cb", "Chosen", 9))?.title, "Chosen");
    assertEquals(await chats.rename("other", "cb", "Stolen", 9), undefined);
    assertEquals(await chats.get("o", "cb"), { ...chatOf("b"), title: "Chosen", updatedAt: 9 });
    assertEquals(await chats.delete("other", "cb"), false);
    assertEquals(await chats.delete("o", "cb"), true);
    assertEquals(await chats.get("o", "cb"), undefined);
  });

  test("a chat's state has its leaf and its live run", async (stores) => {
    const { runs, log, chats } = stores;
    await begin(stores, "a");
    assertEquals(await runs.begin(beginningOf("a")), "busy");
    await log.append([groupOf("a", 1), groupOf("a", 2)], []);
    const live = {
      run: runOf("a"),
      state: "running" as const,
      failure: null,
      lastSeq: 2,
      owner: "me",
    };
    const bytes = (await runs.current("o", "ca"))!.bytes;
    assertEquals(await runs.current("o", "ca"), {
      leafKey: "ka",
      live,
      waiting: 0,
      isHeld: false,
      bytes,
    });
    assertEquals(await runs.current("other", "ca"), undefined);
    assertEquals(await chats.choose("o", "ca", "ka", 1), undefined);
    const message = answerOf("a");
    await log.append([], [{ ...endingOf("a"), message }]);
    assertEquals(await runs.current("o", "ca"), {
      leafKey: "answera",
      live: undefined,
      waiting: 0,
      isHeld: false,
      bytes: bytes + 1024 + JSON.stringify(message.parts).length + "{}".length,
    });
    assertEquals(await runs.answer(runOf("a")), message);
    assertEquals(await chats.choose("o", "ca", "ka", 1), undefined, "it has an answer behind it");
    assertEquals((await chats.choose("o", "ca", "answera", 1))?.leafKey, "answera");
    const again = { ...beginningOf("a"), run: { ...runOf("a"), id: "r2" } };
    assertEquals(await runs.begin({ ...again, store: "keep", leafKey: "else" }), "moved");
    await chats.delete("o", "ca");
    assertEquals(await runs.begin(again), "moved");
  });

  test(
    "what is written of a run that is gone, or another's, is lost and told of",
    async (stores, db) => {
      const { log, chats, leases } = stores;
      for (const name of ["gone", "taken", "mine"]) await begin(stores, name);
      const first = ["gone", "taken", "mine"].map((name) => groupOf(name, 1));
      assertEquals(await log.append(first, []), new Set());
      await chats.delete("o", "cgone");
      assertEquals(await leases.takeOver(["rtaken"], { owner: "it", until: 9 }, 1), ["rtaken"]);
      const second = ["gone", "taken", "mine"].map((name) => groupOf(name, 2));
      assertEquals(await log.append(second, []), new Set(["rgone", "rtaken"]));
      const endings = ["gone", "taken", "mine"].map((name) => ({
        ...endingOf(name),
        message: answerOf(name),
      }));
      assertEquals(await log.append([], endings), new Set(["rgone", "rtaken"]));
      assertEquals(await log.append([groupOf("mine", 2)], endings.slice(2)), new Set());
      const rows = await db.all(statement<{ log: string }>(
        "SELECT run_id || seq AS log FROM events ORDER BY log",
      ));
      assertEquals(rows.map((row) => row.log), ["rmine1", "rmine2", "rtaken1"]);
      assertEquals(await leftOf(db, "gone"), ["attempts"]);
    },
  );

  test("a run whose answer was told of twice is stored once", async (stores) => {
    const { log, messages, runs } = stores;
    await begin(stores, "a");
    const ending = { ...endingOf("a"), message: answerOf("a") };
    const write = () => log.append([groupOf("a", 1)], [ending]);
    assertEquals(await write(), new Set());
    assertEquals(await write(), new Set());
    assertEquals((await messages.outline("ca", "answera", 9)).map(({ key }) => key), [
      "answera",
      "ka",
    ]);
    assertEquals((await runs.find("o", "ra"))?.state, "completed");
  });

  test("abandoned runs are taken over by one process, and found as they stand", async (stores) => {
    const { leases, log } = stores;
    for (const name of ["a", "b", "c"]) await begin(stores, name);
    await log.append([groupOf("b", 1)], [endingOf("c")]);
    const found = await leases.abandoned("it", undefined, { after: "" });
    assertEquals(found.map(({ run, lastSeq }) => [run.id, lastSeq]), [["ra", 0], ["rb", 1]]);
    assertEquals(await leases.abandoned("me", undefined, { after: "" }), []);
    const lease = { owner: "it", until: 50 };
    assertEquals(await leases.takeOver(["ra", "rb", "rc"], lease, 10), ["ra", "rb"]);
    assertEquals(await leases.takeOver(["ra", "rb"], { owner: "they", until: 50 }, 10), []);
    assertEquals(await leases.renew({ owner: "it", until: 60 }, ["ra", "rb", "rc"]), ["ra", "rb"]);
    assertEquals(await leases.requestStop("o", "ra"), true);
    assertEquals(await leases.requestStop("other", "rb"), false);
    assertEquals(await leases.stopRequests("it"), ["ra"]);
  });

  test(
    "an ending closes what a former process left open, with the tokens that are left",
    async (stores, db) => {
      const { log, attempts } = stores;
      await begin(stores, "a");
      const { attempt } = beginningOf("a");
      const end = (outputTokens: number) => ({
        outcome: "interrupted" as const,
        failureClass: null,
        firstTokenMs: null,
        endedAt: 1,
        usage: { ...NO_USAGE, outputTokens, estimated: true },
      });
      await attempts.closeOpen("ra", end(10));
      for (const id of ["second", "third"]) {
        assertEquals(await attempts.open({ ...attempt, id, promptTokens: 7 }), true);
      }
      await log.append([], [{ ...endingOf("a"), attempt: { end: end(25) } }]);
      const rows = await db.all(statement<{ told: string }>(
        "SELECT outcome || ' ' || input_tokens || ' ' || output_tokens AS told FROM attempts ORDER BY rowid",
      ));
      assertEquals(rows.map(({ told }) => told), [
        "interrupted 0 10",
        "interrupted 7 0",
        "interrupted 7 15",
      ]);
      // A request that comes late must not go out: nobody would close its row.
      assertEquals(await attempts.open({ ...attempt, id: "late" }), false);
      const [sum, ...others] = await attempts.ofChat("o", "ca");
      assertEquals(others, []);
      assertEquals([sum?.attempts, sum?.usage.outputTokens, sum?.usage.estimated], [3, 25, true]);
      assertEquals((await attempts.since("o", 0)).map(({ day }) => day), ["1970-01-01"]);
    },
  );

  test("a queue is in order, can be held, and is released by a send", async (stores) => {
    const { queue, chats, runs, log, keys } = stores;
    const ready = async () =>
      (await queue.waiting({ ownerId: "", chatId: "" }))
        .filter(({ isReady }) => isReady).map(({ chatId }) => chatId);
    assertEquals(await queue.add(queuedOf("a", "q0"), undefined, upTo(3)), "gone");
    await begin(stores, "a");
    assertEquals(await queue.hold("o", "ca", true), false);
    const keyed = { key: "key", hash: "hash" };
    assertEquals(await queue.add(queuedOf("a", "q1"), keyed, upTo(2)), "added");
    assertEquals(await queue.add(queuedOf("a", "q2"), keyed, upTo(2)), "repeated");
    assertEquals(
      await queue.add({ ...queuedOf("a", "q1"), run: queuedOf("a", "q3").run }, undefined, upTo(2)),
      "repeated",
    );
    assertEquals(await queue.add(queuedOf("a", "q2"), undefined, upTo(2)), "added");
    assertEquals(await queue.add(queuedOf("a", "q3"), undefined, upTo(2)), "full");
    assertEquals(await keys.find("ca", "key"), { runId: "q1", hash: "hash" });
    assertEquals(await queue.list("o", "ca"), [queuedOf("a", "q1"), queuedOf("a", "q2")]);
    assertEquals(await queue.next("ca"), queuedOf("a", "q1"));
    assertEquals(await ready(), []);
    await log.append([], [endingOf("a")]);
    assertEquals(await ready(), ["ca"]);
    assertEquals(await queue.hold("other", "ca", true), false);
    assertEquals(await queue.hold("o", "ca", true), true);
    assertEquals(await queue.isHeld("o", "ca"), true);
    assertEquals([await queue.next("ca"), await ready()], [undefined, []]);
    assertEquals(await queue.remove("o", "ca", "q1"), true);
    assertEquals(await queue.add(queuedOf("a", "q4"), undefined, upTo(2)), "added");
    assertEquals([await queue.isHeld("o", "ca"), await ready()], [false, ["ca"]]);
    await queue.hold("o", "ca", true);
    const second = (id: string, key: string, leafKey: string): RunBeginning => {
      const { run, prompt, attempt, ...rest } = beginningOf("a");
      return {
        ...rest,
        run: { ...run, id, promptKey: key },
        prompt: { ...prompt, key, parentKey: leafKey },
        attempt: { ...attempt, id: `attempt of ${id}`, runId: id },
        leafKey,
      };
    };
    const queued = { ...second("q2", "k2", "ka"), queued: true };
    assertEquals(await runs.begin(queued), "begun");
    assertEquals(await queue.isHeld("o", "ca"), true);
    await log.append([], [{ ...endingOf("a"), run: queued.run }]);
    assertEquals(await runs.begin({ ...second("q9", "k9", "k2"), queued: true }), "moved");
    assertEquals(await runs.begin(second("new", "k3", "k2")), "begun");
    assertEquals(await queue.isHeld("o", "ca"), false);
    assertEquals(await queue.next("ca"), queuedOf("a", "q4"));
    await chats.delete("o", "ca");
    assertEquals(await queue.next("ca"), undefined);
  });

  test("what waits in a chat is bounded in bytes, and so is what was refused", async (stores) => {
    const { queue } = stores;
    await begin(stores, "a");
    const limits = upTo(10, 10, 9_650_000);
    const long = (id: string, length: number) =>
      queuedOf("a", id, [{ type: "text", text: `${id}${"ä".repeat(length / 2)}` }]);
    const add = (send: QueuedSend) => queue.add(send, undefined, limits);
    const waiting = async () =>
      (await queue.list("o", "ca")).map(({ run, failure }) => failure ? `no ${run.id}` : run.id);
    assertEquals(await add(long("q1", 4_900_000)), "added");
    assertEquals(await add(long("q2", 4_900_000)), "full");
    const failure = { class: "internal", message: "No.", retryable: false } as const;
    assertEquals(await queue.refuse(long("q1", 2).run, failure), true);
    assertEquals(await add(long("q3", 4_850_000)), "added");
    assertEquals(await add(long("q4", 4_850_000)), "full");
    assertEquals(await add(long("q5", 4_750_000)), "added");
    assertEquals(await waiting(), ["no q1", "q3", "q5"]);
    await queue.refuse(long("q3", 2).run, failure);
    assertEquals(await waiting(), ["no q3", "q5"]);
    await queue.refuse(long("q5", 2).run, failure);
    assertEquals(await waiting(), ["no q5"]);
  });

  test("a file lives as long as one chat that it is in", async (stores, db) => {
    const { chats, files, messages, log, queue } = stores;
    const source = crypto.randomUUID();
    const fork = crypto.randomUUID();
    const url = (chat: string, id: string) => `/api/v2/chats/${chat}/files/${id}`;
    await chats.create({ ...chatOf(), id: source }, { titled: true });
    const file = fileOf(source);
    const bytes = new Uint8Array([1, 2, 3]);
    const limits = { perChat: 1, perUser: 2 };
    assertEquals(await files.add(file, bytes, limits), "added");
    assertEquals(await files.add(file, bytes, limits), "added");
    assertEquals(await files.add(fileOf(source), bytes, limits), "chat_full");
    assertEquals(await files.add(fileOf(source), bytes, { perChat: 2, perUser: 1 }), "user_full");
    assertEquals(await files.count(source), 1);

    const said = `Say "url":"${url(source, file.id)}"`;
    const parts: Part[] = [
      { type: "text", text: said },
      { type: "file", mediaType: "text/plain", url: url(source, file.id) },
    ];
    const begun = beginningOf("a");
    const run = { ...begun.run, chatId: source };
    assertEquals(
      await stores.runs.begin({ ...begun, run, prompt: { ...begun.prompt, parts } }),
      "begun",
    );
    await log.append([], [{ ...endingOf("a"), run }]);
    await chats.fork((await chats.get("o", source))!, "ka", {
      ...chatOf(),
      id: fork,
      leafKey: null,
    });
    const leafKey = (await chats.get("o", fork))!.leafKey!;
    const [copied] = await messages.read(fork, [leafKey]);
    assertEquals(copied?.parts, [
      { type: "text", text: said },
      { type: "file", mediaType: "text/plain", url: url(fork, file.id) },
    ]);

    await begin(stores, "named", { fileIds: [file.id, "none"] });
    await begin(stores, "queue");
    const queued = queuedOf("queue", "q", [parts[1]!]);
    assertEquals(await queue.add(queued, undefined, upTo(1)), "added");
    assertEquals((await files.find("o", [file.id, "none"], "cnamed")).map((f) => f.chatId), [
      "cnamed",
    ]);
    assertEquals(await files.find("other", [file.id], source), []);

    for (const chat of [source, fork, "cnamed"]) {
      await chats.delete("o", chat);
      const pieces = await Array.fromAsync(files.read(file.id));
      assertEquals(pieces.map((piece) => [...piece]), [[1, 2, 3]]);
    }
    assertEquals((await files.find("o", [file.id], source))[0]?.chatId, "cqueue");
    await chats.delete("o", "cqueue");
    assertEquals(await Array.fromAsync(files.read(file.id)), []);
    assertEquals(await db.all(statement("SELECT id FROM file_pieces")), []);
  });

  test("a branch is outlined, read, followed and has siblings", async (stores, db) => {
    const { chats, messages } = stores;
    await chats.create(chatOf("a"), { titled: true });
    const { prompt } = beginningOf("a");
    const insert = (key: string, parentKey: string | null, role: string, id = key) =>
      statement(
        `INSERT INTO messages (key, chat_id, id, parent_key, role, parts, metadata, status, created_at)
         VALUES (?, 'ca', ?, ?, ?, ?, '{}', 'completed', 0)`,
        [key, id, parentKey, role, `["${"ä".repeat(10)}"]`],
      );
    await db.write([
      insert("u1", null, "user"),
      insert("a1", "u1", "assistant"),
      insert("u2", "a1", "user", "same"),
      insert("a2", "u2", "assistant"),
      insert("u2b", "a1", "user", "same"),
      insert("a2b", "u2b", "assistant"),
      insert("u1b", null, "user"),
    ]);
    const keys = async (key: string, limit: number) =>
      (await messages.outline("ca", key, limit)).map((outline) => outline.key);
    assertEquals(await keys("a2", 9), ["a2", "u2", "a1", "u1"]);
    assertEquals(await keys("a2", 2), ["a2", "u2"]);
    assertEquals(await messages.outline("ca", "u1", 9), [
      { key: "u1", id: "u1", parentKey: null, role: "user", size: 24, rest: 2 },
    ]);
    assertEquals(await messages.outline("cb", "a2", 9), []);
    assertEquals(await messages.withId("ca", "same"), ["u2", "u2b"]);
    assertEquals(await messages.descend("ca", "u1", 9), ["a1", "u2b", "a2b"]);
    assertEquals(await messages.descend("ca", "u1", 2), ["a1", "u2b"]);
    assertEquals(await messages.descend("ca", "a2", 9), []);
    assertEquals(
      await messages.siblings("ca", ["u1", "a1", "u2b", "a2b"]),
      new Map([
        ["u1", ["u1", "u1b"]],
        ["u2b", ["u2", "u2b"]],
      ]),
    );
    const read = await messages.read("ca", ["a2", "none", "u1"]);
    assertEquals(read.map(({ key }) => key), ["a2", "u1"]);
    assertEquals(read[1], {
      ...prompt,
      key: "u1",
      id: "u1",
      parts: ["ä".repeat(10)] as unknown as Part[],
    });
    assertEquals(await messages.read("cb", ["u1"]), []);
  });

  test("a view of a chat has what is otherwise read one by one", async (stores, db) => {
    const { chats, keys, log, messages, runs } = stores;
    const wanted: Wanted = { messageId: "same", key: undefined, sinceKey: null };
    const view = async (more: Partial<Wanted> = {}) =>
      (await runs.view("o", "ca", { ...wanted, ...more }))!;
    await begin(stores, "a", { keyed: { key: "k", hash: "h" } });
    const live = await view({ key: "k" });
    assertEquals(live.state, (await runs.current("o", "ca"))!);
    assertEquals(live.keyed, (await keys.find("ca", "k"))!);
    assertEquals([live.named, live.branch], [[], []]);
    await log.append([], [{ ...endingOf("a"), message: answerOf("a") }]);
    const insert = (key: string, parentKey: string, parts: string) =>
      statement(
        `INSERT INTO messages (key, chat_id, id, parent_key, role, parts, unseen, metadata, status,
           created_at)
         VALUES (?, 'ca', 'same', ?, 'user', ?, '[[0,{"type":"data-x"}]]', '{"a":1}', 'completed', 0)`,
        [key, parentKey, parts],
      );
    await db.write([
      insert("large", "answera", `["${"x".repeat(70_000)}"]`),
      insert("small", "large", '["a \\"quote\\""]'),
      statement("UPDATE chats SET leaf_key = 'small' WHERE id = 'ca'"),
    ]);
    const chat = (await chats.get("o", "ca"))!;
    const outlines = await messages.outline("ca", "small", 9);
    const seen = await messages.read("ca", ["small", "answera", "ka"], { seenOnly: true });
    const read = await view();
    assertEquals(read.chat, chat);
    assertEquals(read.state, (await runs.current("o", "ca"))!);
    assertEquals(read.keyed, undefined);
    assertEquals(read.named.sort(), await messages.withId("ca", "same"));
    assertEquals(read.branch.map(({ message: _, ...outline }) => outline), outlines);
    // What is large, and all that comes before it, is not read.
    const contents = [seen[0], undefined, undefined, undefined];
    assertEquals(read.branch.map(({ message }) => message), contents);
    const since = await view({ sinceKey: "large" });
    assertEquals(since.branch, read.branch.slice(0, 2));
    await db.write([statement("UPDATE chats SET leaf_key = 'answera' WHERE id = 'ca'")]);
    assertEquals((await view()).branch.map(({ message }) => message), seen.slice(1));
    assertEquals(await runs.view("other", "ca", wanted), undefined);
    assertEquals(await runs.view("o", "cb", wanted), undefined);
  });

  test("a key of a send is kept once, and forgotten", async ({ keys }) => {
    const { promptKey: _, textOnly: __, ...run } = runOf("a");
    assertEquals(await keys.keep({ key: "k", hash: "h" }, run), true);
    assertEquals(await keys.keep({ key: "k", hash: "h" }, run), false);
    for await (const _ of keys.expire(1));
    assertEquals(await keys.find("ca", "k"), undefined);
  });
}
