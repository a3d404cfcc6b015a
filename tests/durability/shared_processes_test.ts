/** Processes on one database: who takes over a run, when, and what becomes of who made it. */
import { assert, assertEquals } from "@std/assert";
import { partsOf, StreamReader, textOf } from "../kit/data_stream.ts";
import { startParley, type TestServer } from "../kit/parley.ts";
import { type ParleyProcess, spawnParley } from "../kit/process.ts";
import { gate, lastUserText, startProvider } from "../kit/provider/provider.ts";
import { type RemoteDatabase, startRemoteDatabase } from "../kit/remote_database.ts";
import { MODELS, providerEnv } from "../kit/scripted.ts";

/** How long a lease is good, and how often others look for one that has ended, in milliseconds. */
const LEASE = 15_000;
const SWEEP = 5_000;

/** What a busy machine may take for the rest, in milliseconds. */
const SLACK = 3_000;

const runOf = (response: Response) => response.headers.get("parley-run-id")!;

/** What a test asks for, of a process or of a server in its own. */
async function ask(
  { url }: Pick<ParleyProcess, "url">,
  method: string,
  path: string,
  body?: unknown,
): Promise<Response> {
  return await fetch(`${url}/api/v2/chats${path}`, {
    method,
    headers: { "coder-session-token": "alice-secret", "content-type": "application/json" },
    ...(body !== undefined && { body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(90_000),
  });
}

async function begin(
  server: Pick<ParleyProcess, "url">,
  text: string,
): Promise<{ chat: string; run: string; reader: StreamReader }> {
  const { id: chat } = await (await ask(server, "POST", "", { title: "A chat" })).json();
  const reader = new StreamReader(await send(server, chat, text));
  await reader.until("one ");
  return { chat, run: runOf(reader.response), reader };
}

function send(server: Pick<ParleyProcess, "url">, chat: string, text: string): Promise<Response> {
  const message = { role: "user", content: text };
  return ask(server, "POST", `/${chat}/messages`, { message, model: MODELS.compatible });
}

async function contents(server: Pick<ParleyProcess, "url">, chat: string): Promise<string[]> {
  const history = await (await ask(server, "GET", `/${chat}/messages`)).json();
  return history.map(({ content }: { content: string }) => content);
}

/** A stack of processes on one database, and a server in this process. */
async function start() {
  const stack = new AsyncDisposableStack();
  const more = gate();
  const db = stack.use(await startRemoteDatabase());
  const provider = stack.use(
    await startProvider({
      script: ({ body }) => ({
        steps: lastUserText(body) === "Next"
          ? [{ text: "ok" }]
          : [{ text: "one " }, { wait: more }, { text: "two" }],
      }),
    }),
  );
  const env = { ...providerEnv(provider), ...db.env };
  const limits = { PARLEY_LIMIT_SHUTDOWN_SECONDS: "60" };
  const spawn = async () =>
    stack.use(
      await spawnParley({ env: { PARLEY_TOKENS: "alice=alice-secret", ...env, ...limits } }),
    );
  const [a, c, d] = [await spawn(), await spawn(), await spawn()];
  const b: TestServer = stack.use(await startParley({ env }));
  return { db, provider, more, a, b, c, d, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

function rowOf(db: RemoteDatabase, run: string): Record<string, unknown> {
  return db.rows("SELECT * FROM runs WHERE id = ?", run)[0]!;
}

/** Waits until the run of a process that is gone was taken over, and fails where that was too soon. */
async function takenOver(db: RemoteDatabase, run: string, atB: StreamReader): Promise<void> {
  const leaseUntil = rowOf(db, run)["lease_until"] as number;
  const parts = partsOf(await atB.rest());
  assertEquals(textOf(parts), "one ");
  assertEquals(parts.at(-1)?.code, "d");
  const { state, ended_at } = rowOf(db, run);
  assertEquals(state, "interrupted");
  const late = (ended_at as number) - leaseUntil;
  assert(late >= 0 && late < SWEEP + SLACK, `taken over ${late} ms behind the lease's end`);
  const open = db.rows("SELECT * FROM attempts WHERE run_id = ? AND outcome = 'open'", run);
  assertEquals(open, []);
}

Deno.test("B takes a run over from A that was killed, behind its lease's end, and none of those that live", async () => {
  await using all = await start();
  const { db, a, b, c, d, more } = all;
  const alive = await begin(c, "Hello");
  const ending = await begin(d, "Hello");
  // It gives its runs the time that it has to end.
  d.signal("SIGTERM");
  const startedAt = Date.now();
  const { chat, run, reader } = await begin(a, "Hello");
  const atB = new StreamReader(await ask(b, "GET", `/${chat}/stream`));
  await atB.until("one ");
  a.signal("SIGKILL");
  await reader.rest().catch(() => {});
  await takenOver(db, run, atB);
  assertEquals(await contents(b, chat), ["Hello", "one "]);
  assertEquals(textOf(partsOf(await (await send(b, chat, "Next")).text())), "ok");

  assert(Date.now() - startedAt >= LEASE, "the first leases of the others have ended");
  more.open();
  for (const other of [alive, ending]) {
    assertEquals(textOf(partsOf(await other.reader.rest())), "one two");
    assertEquals(await contents(b, other.chat), ["Hello", "one two"]);
    assertEquals(rowOf(db, other.run)["state"], "completed");
  }
  assertEquals(await d.exit, 0);
});

Deno.test("A that stood still for longer than its lease does not write over what B made of its run", async () => {
  await using all = await start();
  const { db, a, b, more } = all;
  const { chat, run, reader } = await begin(a, "Hello");
  const atB = new StreamReader(await ask(b, "GET", `/${chat}/stream`));
  await atB.until("one ");
  a.signal("SIGSTOP");
  // Who stands still heeds nothing: that is said, and is no promise.
  const stop = await (await ask(b, "POST", `/${chat}/stop`, {})).json();
  assertEquals([stop.stopped, stop.run_id], [false, run]);
  await takenOver(db, run, atB);

  const stored = () => [
    rowOf(db, run),
    db.rows("SELECT * FROM events WHERE run_id = ? ORDER BY seq", run),
    db.rows("SELECT * FROM attempts WHERE run_id = ?", run),
  ];
  const ofB = stored();
  // What the provider says goes to A as soon as it goes on.
  more.open();
  a.signal("SIGCONT");
  const parts = partsOf(await reader.rest());
  assertEquals(textOf(parts), "one ");
  assertEquals(parts.slice(-2).map(({ code }) => code), ["3", "d"]);
  assertEquals(parts.at(-2)?.value, "Another process has taken this run over.");
  // It goes on with what is its own.
  assertEquals(textOf(partsOf(await (await send(a, chat, "Next")).text())), "ok");
  assertEquals(stored(), ofB);
  assertEquals(await contents(b, chat), ["Hello", "one ", "Next", "ok"]);
});
