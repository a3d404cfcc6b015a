/** Two Parleys on one database: what one does, the other knows of. */
import { assert, assertEquals } from "@std/assert";
import { partsOf, StreamReader, textOf } from "../kit/data_stream.ts";
import { gate, type Step } from "../kit/provider/provider.ts";
import { replacing } from "../kit/stores.ts";
import { startPair } from "./shared_kit.ts";

const runOf = (response: Response) => response.headers.get("parley-run-id")!;
const textIn = (stream: string) => textOf(partsOf(stream));

Deno.test("a chat that A answers in is busy at B", async () => {
  const more = gate();
  await using pair = await startPair({
    Hello: [{ text: "one " }, { wait: more }, { text: "two" }],
  });
  const { a, b } = pair;
  const answer = new StreamReader(await a.send("Hello"));
  await answer.until("one ");
  const refused = await b.send("And?");
  assertEquals([refused.status, runOf(refused)], [409, runOf(answer.response)]);
  await refused.body?.cancel();
  const chosen = await b.ask("PATCH", "", { body: { branch: "nothing" } });
  assert(chosen.status >= 400);
  await chosen.body?.cancel();
  more.open();
  await answer.rest();
  assertEquals(textIn(await (await b.send("And?")).text()), "ok");
  assertEquals((await a.history()).map(({ content }) => content), [
    "Hello",
    "one two",
    "And?",
    "ok",
  ]);
  assertEquals(await a.history(), await b.history());
});

Deno.test("B follows no run of A for the history, or to say that the chat is busy", async () => {
  const more = gate();
  let followed = 0;
  await using pair = await startPair(
    { Hello: [{ text: "one " }, { wait: more }, { text: "two" }] },
    {
      stores: replacing(({ runs }) => ({
        runs: {
          answer(run) {
            followed++;
            return runs.answer(run);
          },
        },
      })),
    },
  );
  const { a, b, db } = pair;
  const answer = new StreamReader(await a.send("Hello"));
  await answer.until("one ");
  assertEquals((await b.history()).map(({ content }) => content), ["Hello"]);
  const branch = db.rows("SELECT key FROM messages")[0]!["key"];
  const chosen = await b.ask("PATCH", "", { body: { branch } });
  assertEquals([chosen.status, runOf(chosen)], [409, runOf(answer.response)]);
  await chosen.body?.cancel();
  assertEquals(followed, 0);
  const withLive = await (await b.ask("GET", "/messages?include=live")).json();
  assertEquals(withLive.map(({ content }: { content: string }) => content), ["Hello", "one "]);
  assertEquals(followed, 1);
  more.open();
  await answer.rest();
});

const KINDS: readonly Step[] = [
  { reasoning: "hm" },
  { text: "one " },
  { toolCall: { id: "call-1", name: "look_up", args: { what: "é😀" }, chunks: 3 } },
];

for (const protocol of ["data", "ui"]) {
  Deno.test(`B's subscribers get a run of A byte for byte, in the ${protocol} stream`, async () => {
    const more = gate();
    const last = gate();
    await using pair = await startPair({
      Hello: [...KINDS, { wait: more }, { text: "two " }, { wait: last }, { text: "three" }],
    });
    const { a, b } = pair;
    const atA = new StreamReader(
      await a.ask("POST", `/messages?protocol=${protocol}`, {
        body: { message: { role: "user", content: "Hello" }, model: "scripted" },
      }),
    );
    await atA.until("call-1");
    const run = runOf(atA.response);
    const atB = new StreamReader(await b.join({ protocol }));
    assertEquals([atB.response.status, runOf(atB.response)], [200, run]);
    more.open();
    await atB.until("two ");
    // One more that comes in the middle, and one that names the run.
    const late = new StreamReader(await b.join({ protocol, run }));
    last.open();
    const whole = await atA.rest();
    assertEquals(await atB.rest(), whole);
    assertEquals(await late.rest(), whole);

    // Cut behind each event, and gone on with at the other.
    const events = pair.db.rows("SELECT max(last_seq) AS n FROM events")[0]!["n"] as number;
    for (let after = 1; after < events; after++) {
      const [rest, same] = await Promise.all(
        [b, a].map(async (peer) =>
          await (await peer.join({ protocol, run, after: `${after}` })).text()
        ),
      );
      assertEquals(rest, same);
      assert(rest && whole.endsWith(rest), `behind ${after}: ${rest}`);
    }
  });
}

Deno.test("a follower outlives a database that is out of reach for a moment", async () => {
  const more = gate();
  await using pair = await startPair({
    Hello: [{ text: "one " }, { wait: more }, { text: "two" }],
  });
  const { a, b, db } = pair;
  const atA = new StreamReader(await a.send("Hello"));
  await atA.until("one ");
  const atB = new StreamReader(await b.join());
  await atB.until("one ");
  db.faults.status = 503;
  for (let failed = 0; failed < 3; failed++) await db.asked("FROM events");
  db.faults.status = undefined;
  more.open();
  const whole = await atA.rest();
  assertEquals(textIn(whole), "one two");
  assertEquals(await atB.rest(), whole);
});

Deno.test("a client that was cut off at A goes on at B while the run is live", async () => {
  const more = gate();
  await using pair = await startPair({
    Hello: [{ text: "one " }, { wait: more }, { text: "two" }],
  });
  const { a, b } = pair;
  const headers = { "x-vercel-ai-ui-message-stream": "v1" };
  const atA = new StreamReader(await a.send("Hello", {}, headers));
  await atA.until('"one "');
  await atA.until("\n\n");
  await atA.leave();
  const got = atA.text.slice(0, atA.text.lastIndexOf("\n\n") + 2);
  const lastId = [...got.matchAll(/^id: ?(\S+)$/gm)].at(-1)![1]!;
  const atB = await b.ask("GET", "/stream", { headers: { ...headers, "last-event-id": lastId } });
  more.open();
  const rest = await atB.text();
  const whole = await (await a.join({ run: runOf(atB), protocol: "ui" })).text();
  assertEquals(got + rest, whole);
});

Deno.test("a send with an Idempotency-Key to A, then to B, is one paid run", async () => {
  const more = gate();
  await using pair = await startPair({
    Hello: [{ text: "one " }, { wait: more }, { text: "two" }],
  });
  const { a, b } = pair;
  const message = { id: "m-1", role: "user", content: "Hello" };
  const key = { "idempotency-key": "key-1" };
  const atA = await a.send("", { message }, key);
  const atB = await b.send("", { message }, key);
  assertEquals([atB.status, runOf(atB)], [200, runOf(atA)]);
  more.open();
  const whole = await atA.text();
  assertEquals(await atB.text(), whole);
  const again = await b.send("", { message }, key);
  assertEquals([await again.text(), runOf(again)], [whole, runOf(atA)]);
  assertEquals(pair.asked("Hello"), 1);
  const other = await b.send("Other", {}, key);
  assertEquals(other.status, 422);
  await other.body?.cancel();
});

for (const busy of ["a", "b"] as const) {
  Deno.test(`a message that waits at A behind a run of ${busy.toUpperCase()} streams to both`, async () => {
    const [first, second] = [gate(), gate()];
    await using pair = await startPair({
      Hello: [{ text: "one " }, { wait: first }],
      Next: [{ text: "next " }, { wait: second }, { text: "done" }],
    });
    const { a, b } = pair;
    const live = new StreamReader(await pair[busy].send("Hello"));
    await live.until("one ");
    const atA = new StreamReader(await a.send("Next", { busy: "queue" }));
    const run = runOf(atA.response);
    const atB = new StreamReader(await b.join({ run }));
    assertEquals(runOf(atB.response), run);
    first.open();
    await live.rest();
    await Promise.all([atA.until("next "), atB.until("next ")]);
    second.open();
    const whole = await atA.rest();
    assertEquals(textIn(whole), "next done");
    assertEquals(await atB.rest(), whole);
    assertEquals(pair.asked("Next"), 1);
    // Who ends a run starts what waits behind it.
    const [owners] = pair.db.rows("SELECT count(DISTINCT lease_owner) AS n FROM runs");
    assertEquals(owners!["n"], 1);
  });
}

Deno.test("a message that is removed at B ends the stream that waits at A", async () => {
  const more = gate();
  await using pair = await startPair({ Hello: [{ text: "one " }, { wait: more }] });
  const { a, b } = pair;
  const live = new StreamReader(await a.send("Hello"));
  await live.until("one ");
  const waiting = await a.send("Next", { busy: "queue" });
  const queued = await (await b.ask("GET", "/queue")).json();
  assertEquals(queued.map(({ run_id }: { run_id: string }) => run_id), [runOf(waiting)]);
  const removed = await b.ask("DELETE", `/queue/${runOf(waiting)}`);
  assertEquals(removed.status, 204);
  assertEquals(await waiting.text(), "");
  more.open();
  await live.rest();
  assertEquals((await a.history()).map(({ content }) => content), ["Hello", "one "]);
  assertEquals(pair.asked("Next"), 0);
});

Deno.test("a message that is removed at B while A begins it is not answered", async () => {
  const more = gate();
  await using pair = await startPair({ Hello: [{ text: "one " }, { wait: more }] });
  const { a, b, db } = pair;
  const live = new StreamReader(await a.send("Hello"));
  await live.until("one ");
  const waiting = await a.send("Next", { busy: "queue" });
  const removed = gate();
  const begins = db.asked("INSERT INTO runs");
  db.faults.hold = (sql) => sql.includes("INSERT INTO runs") ? removed.opened : undefined;
  more.open();
  await begins;
  assertEquals((await b.ask("DELETE", `/queue/${runOf(waiting)}`)).status, 204);
  removed.open();
  assertEquals(await waiting.text(), "");
  await live.rest();
  assertEquals(pair.asked("Next"), 0);
  assertEquals(await (await a.send("Then")).text().then(textIn), "ok");
  const errors = a.server.logged.filter((line) => JSON.parse(line).level === "error");
  assertEquals(errors, []);
});

Deno.test("a message that waits in a chat that is deleted at that moment is not kept", async () => {
  await using pair = await startPair({ Hello: [{ text: "one " }, { stall: true }] });
  const { a, b, db } = pair;
  // A sends one write at a time: the run is B's, or its end would wait for what is held.
  const live = new StreamReader(await b.send("Hello"));
  await live.until("one ");
  const deleted = gate();
  const queues = db.asked("INSERT INTO queue");
  db.faults.hold = (sql) => sql.includes("INSERT INTO queue") ? deleted.opened : undefined;
  const sending = a.send("Next", { busy: "queue" });
  await queues;
  assertEquals((await b.ask("DELETE", "")).status, 204);
  deleted.open();
  const waiting = await sending;
  await waiting.body?.cancel();
  assertEquals(waiting.status, 404);
  await live.rest();
  assertEquals(db.rows("SELECT * FROM queue"), []);
  assertEquals(pair.asked("Next"), 0);
});

Deno.test("who joins a continued answer of A at B gets all of it", async () => {
  const more = gate();
  const call = { toolCall: { id: "call-1", name: "where", args: {} } };
  await using pair = await startPair({ Hello: [{ text: "Let me see. " }, call] });
  const { a, b, provider } = pair;
  const tools = [{ name: "where", description: "Where one is", inputSchema: { type: "object" } }];
  await (await a.send("Hello", { tools })).text();
  const [, answer] = await a.history();
  provider.script({ steps: [{ text: "At " }, { wait: more }, { text: "home." }] });
  const part = {
    type: "tool-invocation",
    toolInvocation: {
      state: "result",
      toolCallId: "call-1",
      toolName: "where",
      args: {},
      result: "home",
    },
  };
  const message = { id: answer!.id, role: "assistant", parts: [part] };
  const continued = new StreamReader(await a.send("", { message, tools }));
  await continued.until("At ");
  const [atA, atB] = [new StreamReader(await a.join()), new StreamReader(await b.join())];
  await atB.until("At ");
  more.open();
  const whole = await atA.rest();
  assertEquals(textIn(whole), "Let me see. At home.");
  assertEquals(await atB.rest(), whole);
  await continued.rest();
});

Deno.test("sends that meet at both: one is answered, the others are refused", async () => {
  const more = gate();
  const texts = Array.from({ length: 8 }, (_, n) => `Message ${n}`);
  const steps = [{ text: "one " }, { wait: more }];
  await using pair = await startPair(Object.fromEntries(texts.map((text) => [text, steps])));
  const { a, b } = pair;
  const sent = await Promise.all(texts.map((text, n) => (n % 2 ? a : b).send(text)));
  const statuses = sent.map(({ status }) => status).sort();
  assertEquals(statuses, [200, ...texts.slice(1).map(() => 409)]);
  const taken = sent.find(({ status }) => status === 200)!;
  for (const response of sent) {
    assertEquals(runOf(response), runOf(taken));
    if (response !== taken) await response.body?.cancel();
  }
  more.open();
  assertEquals(textIn(await taken.text()), "one ");
  assertEquals(pair.provider.requests.length, 1);
  assertEquals((await a.history()).length, 2);
});

Deno.test("messages that wait at both are answered once each, one behind the other", async () => {
  const more = gate();
  const texts = Array.from({ length: 8 }, (_, n) => `Message ${n}`);
  await using pair = await startPair({
    Hello: [{ text: "one " }, { wait: more }],
    ...Object.fromEntries(texts.map((text) => [text, [{ text: `To ${text}` }]])),
  });
  const { a, b, db } = pair;
  const live = new StreamReader(await a.send("Hello"));
  await live.until("one ");
  const waiting = await Promise.all(
    texts.map((text, n) => (n % 2 ? a : b).send(text, { busy: "queue" })),
  );
  assertEquals(db.rows("SELECT * FROM queue").length, texts.length);
  more.open();
  await live.rest();
  const answers = await Promise.all(waiting.map(async (response) => textIn(await response.text())));
  assertEquals(answers, texts.map((text) => `To ${text}`));
  for (const text of texts) assertEquals(pair.asked(text), 1);
  const history = (await b.history()).slice(2);
  assertEquals(history.map(({ role }) => role), texts.flatMap(() => ["user", "assistant"]));
  const said = history.map(({ content }) => content);
  said.forEach((content, n) => n % 2 && assertEquals(content, `To ${said[n - 1]}`));
  assertEquals(db.rows("SELECT * FROM queue"), []);
});

Deno.test("a run that another process took over is written to no more, and the others go on", async () => {
  const more = gate();
  await using pair = await startPair({
    Hello: [{ text: "one " }, { wait: more }, { text: "two" }],
    Other: [{ text: "here " }, { wait: more }, { text: "too" }],
  });
  const { a, db } = pair;
  const chat = await a.server.newChat({ body: { title: "Another" } });
  const lost = new StreamReader(await a.send("Hello"));
  const kept = new StreamReader(
    await a.server.ask("POST", `/api/v2/chats/${chat}/messages`, {
      body: { message: { role: "user", content: "Other" }, model: "scripted" },
    }),
  );
  await Promise.all([lost.until("one "), kept.until("here ")]);
  const run = runOf(lost.response);
  db.rows(
    "UPDATE runs SET lease_owner = 'another', lease_until = ? WHERE id = ?",
    Date.now() + 9e6,
    run,
  );
  const log = () => db.rows("SELECT * FROM events WHERE run_id = ?", run);
  const before = log();
  more.open();
  const parts = partsOf(await lost.rest());
  assertEquals(parts.slice(-2).map(({ code }) => code), ["3", "d"]);
  assertEquals(parts.at(-2)?.value, "Another process has taken this run over.");
  assertEquals(textOf(parts), "one ");
  assertEquals(textIn(await kept.rest()), "here too");
  assertEquals(log(), before);
  assertEquals((await a.history()).length, 1);
  const [row] = db.rows("SELECT state FROM runs WHERE id = ?", run);
  assertEquals(row!["state"], "running");
});
