/** Parley on a remote database: what it does on a file, and what only a line can do to it. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { partsOf, textOf } from "../kit/data_stream.ts";
import { loseAnswers, startRemoteDatabase } from "../kit/remote_database.ts";
import { startScripted } from "../kit/scripted.ts";
import { refusedStart } from "./refused_start.ts";

const wholeText = async (response: Response) => textOf(partsOf(await response.text()));

Deno.test("a conversation on a remote database, and after a restart", async () => {
  await using db = await startRemoteDatabase();
  let chat: string;
  let seen: unknown;
  {
    await using first = await startScripted({ env: db.env, script: { steps: [{ text: "one" }] } });
    chat = await first.chat();
    const response = await first.send(chat, "Hello");
    assertEquals(response.status, 200);
    assertEquals(await wholeText(response), "one");
    seen = await first.history(chat);
  }
  await using second = await startScripted({ env: db.env, script: { steps: [{ text: "two" }] } });
  const history = await second.history(chat);
  assertEquals(history.map(({ role, content }) => [role, content]), [
    ["user", "Hello"],
    ["assistant", "one"],
  ]);
  assertEquals(history as unknown, seen);
  assertEquals(await wholeText(await second.send(chat, "And now?")), "two");
  assertEquals((await second.history(chat)).length, 4);
  const chats = await (await second.server.ask("GET", "/api/v2/chats")).json();
  assertEquals(chats.length, 1);
});

Deno.test("a file of any bytes comes back from a remote database as it was", async () => {
  await using db = await startRemoteDatabase();
  await using scripted = await startScripted({ env: db.env });
  const { server } = scripted;
  const chat = await scripted.chat();
  const bytes = Uint8Array.from({ length: 70_000 }, (_, index) => (index * 7) % 256);
  const form = new FormData();
  form.append("file", new Blob([bytes], { type: "application/octet-stream" }), "any.bin");
  const added = await fetch(`${server.url}/api/v2/chats/${chat}/files`, {
    method: "POST",
    headers: { "coder-session-token": "alice-secret" },
    body: form,
  });
  assertEquals(added.status, 201, await added.clone().text());
  const { url } = await added.json();
  const read = await server.ask("GET", new URL(url, server.url).pathname);
  assertEquals(new Uint8Array(await read.arrayBuffer()), bytes);
});

Deno.test("tokens are kept in a remote database", async () => {
  await using db = await startRemoteDatabase();
  await using scripted = await startScripted({ env: db.env });
  const { tokens } = scripted.server.parley;
  const token = { secret: "another-secret", name: "n", username: "carol", expiresAt: null };
  await tokens.create(token);
  const ask = () => scripted.server.ask("GET", "/api/v2/users/me", { token: "another-secret" });
  const me = await ask();
  assertEquals([me.status, (await me.json()).username], [200, "carol"]);
  assertEquals((await tokens.list()).map(({ name }) => name), ["n"]);
});

Deno.test("two processes that start at once bring the tables up to date once", async () => {
  await using db = await startRemoteDatabase();
  // Both have looked before either writes.
  db.faults.latencyMs = 30;
  const both = await Promise.all([1, 2].map(() => startScripted({ env: db.env })));
  const { entries } = JSON.parse(
    await Deno.readTextFile(new URL("../../migrations/meta/_journal.json", import.meta.url)),
  );
  const done = db.rows("SELECT * FROM __drizzle_migrations").length;
  for (const one of both) await one[Symbol.asyncDispose]();
  assertEquals(done, entries.length);
});

Deno.test("a wrong token ends the start with one line", async () => {
  await using db = await startRemoteDatabase();
  const stderr = await refusedStart({ ...db.env, PARLEY_DATABASE_TOKEN: "wrong-secret" });
  assertEquals(
    stderr,
    `parley: The database ${db.url} refuses the token: ` +
      "set PARLEY_DATABASE_TOKEN to one that it takes.\n",
  );
});

Deno.test("a database that is out of reach ends the start with one line, without its secrets", async () => {
  await using db = await startRemoteDatabase();
  await db.refuse();
  const secret = `${db.url}?authToken=secret`;
  const stderr = await refusedStart({ PARLEY_DATABASE_URL: secret });
  assertEquals(
    stderr,
    `parley: The database ${db.url} cannot be reached: the connection failed.\n`,
  );
});

Deno.test("a database that answers 503 gives a 503, and works again when it does", async () => {
  await using db = await startRemoteDatabase();
  await using scripted = await startScripted({ env: db.env });
  const chat = await scripted.chat();
  db.faults.status = 503;
  const refused = await scripted.send(chat, "Hello");
  assertEquals([refused.status, refused.headers.get("retry-after")], [503, "5"]);
  assertMatch((await refused.json()).detail, /It gave no answer \(status 503[:)]/);
  db.faults.status = undefined;
  assertEquals(await wholeText(await scripted.send(chat, "Hello")), "ok");
  assertEquals(scripted.provider.requests.length, 1);
});

Deno.test("a write of events that fails once costs no run", async () => {
  await using db = await startRemoteDatabase();
  await using scripted = await startScripted({ env: db.env });
  const chat = await scripted.chat();
  let failed = 0;
  db.faults.status = 502;
  db.faults.only = (sql) => sql.includes("INSERT INTO events ") && failed++ === 0;
  assertEquals(await wholeText(await scripted.send(chat, "Hello")), "ok");
  assert(failed > 1, "it was tried again");
  assertEquals(db.rows("SELECT state FROM runs").map(({ state }) => state), ["completed"]);
});

Deno.test("a send whose beginning was stored although no answer said so is answered", async () => {
  await using db = await startRemoteDatabase();
  await using scripted = await startScripted({ env: db.env });
  const chat = await scripted.chat();
  loseAnswers(db, "runs", { always: true });
  const response = await scripted.send(chat, "Hello");
  assertEquals(response.status, 200);
  assertEquals(await wholeText(response), "ok");
  assertEquals(scripted.provider.requests.length, 1);
  assertEquals(db.rows("SELECT state FROM runs").map(({ state }) => state), ["completed"]);
});

for (const table of ["runs", "events"]) {
  Deno.test(`a write to ${table} that went twice over a line that broke is done once`, async () => {
    await using db = await startRemoteDatabase();
    await using scripted = await startScripted({ env: db.env });
    const chat = await scripted.chat();
    const asked = db.requests.length;
    loseAnswers(db, table, { always: false });
    const response = await scripted.send(chat, "Hello");
    assertEquals(response.status, 200);
    assertEquals(await wholeText(response), "ok");
    const writes = db.requests.slice(asked).filter((sql) => sql.includes(`INSERT INTO ${table} `));
    assert(new Set(writes).size < writes.length, "a request was sent twice");
    assertEquals(scripted.provider.requests.length, 1);
    assertEquals((await scripted.history(chat)).map(({ content }) => content), ["Hello", "ok"]);
    const log = db.rows("SELECT seq, last_seq FROM events ORDER BY seq");
    log.forEach(({ seq }, index) =>
      assertEquals(seq, 1 + Number(log[index - 1]?.["last_seq"] ?? 0))
    );
  });
}
