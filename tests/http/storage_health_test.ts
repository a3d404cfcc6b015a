/** Files that are deleted or replaced below the server, and a disk whose syncs fail. */
import { assertEquals, assertMatch } from "@std/assert";
import { systemClock } from "../../src/domain/clock.ts";
import { partsOf, StreamReader, textOf } from "../kit/data_stream.ts";
import type { TestServer } from "../kit/parley.ts";
import { gate, lastUserText } from "../kit/provider/provider.ts";
import { type Scripted, startScripted } from "../kit/scripted.ts";

const UNSAFE = "What is stored now might be lost, so Parley changes nothing until this is mended.";

/** A clock on which what was looked at a second ago is looked at again. */
function skippingClock() {
  let skipped = 0;
  return {
    ...systemClock,
    elapsed: () => performance.now() + skipped,
    skip: () => void (skipped += 1_000),
  };
}

/** Requests that change something, each of which would otherwise do so. */
const CHANGES = (chat: string): [method: string, path: string, body?: unknown][] => [
  ["POST", "/api/v2/chats", { title: "New" }],
  ["PATCH", `/api/v2/chats/${chat}`, { title: "Other" }],
  ["POST", `/api/v2/chats/${chat}/messages`, { message: { role: "user", content: "Hello" } }],
  ["POST", `/api/v2/chats/${chat}/fork`, {}],
  ["POST", `/api/v2/chats/${chat}/files`, "bytes"],
  ["POST", `/api/v2/chats/${chat}/queue/continue`],
  ["DELETE", `/api/v2/chats/${chat}/queue/${crypto.randomUUID()}`],
  ["DELETE", `/api/v2/chats/${chat}`],
];

async function assertRefused(server: TestServer, chat: string, reason: string): Promise<void> {
  const ready = await server.ask("GET", "/readyz", { token: null });
  assertEquals([ready.status, (await ready.json()).message], [503, reason]);
  for (const [method, path, body] of CHANGES(chat)) {
    const response = await server.ask(method, path, { ...(body !== undefined && { body }) });
    assertEquals(response.status, 503, `${method} ${path}`);
    assertEquals(await response.json(), { message: reason, detail: UNSAFE });
  }
  for (const path of ["/healthz", "/api/v2/chats", `/api/v2/chats/${chat}/messages`]) {
    const response = await server.ask("GET", path);
    await response.body?.cancel();
    assertEquals(response.status, 200, path);
  }
}

async function assertTaken(server: TestServer): Promise<void> {
  const ready = await server.ask("GET", "/readyz", { token: null });
  assertEquals([ready.status, await ready.text()], [200, "OK"]);
  const created = await server.ask("POST", "/api/v2/chats", { body: { title: "New" } });
  await created.body?.cancel();
  assertEquals(created.status, 201);
}

/** What the log says of the storage. */
function saidOf({ logged }: TestServer): string[] {
  return logged.map((line) => JSON.parse(line))
    .filter(({ message }) => /^(what is stored may|the database cannot)/.test(message))
    .map(({ level, message, reason = "" }) => `${level}: ${message}: ${reason}`);
}

/** Resolves once the log has a line of that message. */
async function passed({ logged }: TestServer, message: string): Promise<void> {
  while (!logged.some((line) => line.includes(message))) {
    await new Promise((done) => setTimeout(done, 5));
  }
}

/** Answers that wait in the middle, with the chats that they are in. */
async function liveRuns(scripted: Scripted, count: number) {
  return await Promise.all(Array.from({ length: count }, async () => {
    const chat = await scripted.chat();
    const reader = new StreamReader(await scripted.send(chat, "Hello"));
    await reader.until("one ");
    return { chat, reader };
  }));
}

/** What happens to the files, by its reason, with what mends it; the last cannot be mended. */
const ACCIDENTS: [
  name: string,
  reason: string,
  begin: (dir: string) => Promise<() => Promise<void>>,
][] = [
  ["a database that is moved away", "The database's file parley.db is gone", async (dir) => {
    await Deno.rename(`${dir}/parley.db`, `${dir}/elsewhere`);
    return () => Deno.rename(`${dir}/elsewhere`, `${dir}/parley.db`);
  }],
  [
    "a database with another in its place",
    "The database's file parley.db was replaced",
    async (dir) => {
      await Deno.rename(`${dir}/parley.db`, `${dir}/elsewhere`);
      await Deno.copyFile(`${dir}/elsewhere`, `${dir}/parley.db`);
      return () => Deno.rename(`${dir}/elsewhere`, `${dir}/parley.db`);
    },
  ],
  ["a log that is moved away", "The database's file parley.db-wal is gone", async (dir) => {
    await Deno.rename(`${dir}/parley.db-wal`, `${dir}/elsewhere`);
    return () => Deno.rename(`${dir}/elsewhere`, `${dir}/parley.db-wal`);
  }],
];

for (const [name, reason, begin] of ACCIDENTS) {
  Deno.test(`${name}: changes are refused, and taken again once it is back`, async () => {
    const clock = skippingClock();
    const more = gate();
    await using scripted = await startScripted({
      clock,
      script: { steps: [{ text: "one " }, { wait: more }, { text: "two" }] },
    });
    const { server } = scripted;
    const [going, stopped] = await liveRuns(scripted, 2);
    const queued = await scripted.send(going!.chat, "next", { busy: "queue" });
    const mend = await begin(server.dataDir);
    clock.skip();
    for (let times = 0; times < 3; times++) await assertRefused(server, going!.chat, reason);

    const stop = await server.ask("POST", `/api/v2/chats/${stopped!.chat}/stop`);
    assertEquals([stop.status, (await stop.json()).stopped], [200, true]);
    more.open();
    const parts = partsOf(await going!.reader.rest());
    assertEquals(textOf(parts), "one two");
    assertEquals(parts.slice(-2).map(({ code }) => code), ["3", "d"]);
    assertMatch(String(parts.at(-2)?.value), /It is stored, but may be lost/);
    const asked = () =>
      scripted.provider.requests.filter(({ body }) => lastUserText(body) === "next").length;
    await passed(server, "the next message cannot be started");
    assertEquals(asked(), 0);
    const told = `error: what is stored may be lost: ${reason}`;
    assertEquals(saidOf(server), [told]);

    await mend();
    clock.skip();
    for (let times = 0; times < 2; times++) await assertTaken(server);
    assertEquals(saidOf(server), [told, "info: what is stored may be lost: no longer: "]);
    assertEquals(textOf(partsOf(await queued.text())), "one two");
    assertEquals(asked(), 1);
    assertEquals((await scripted.history(going!.chat)).map(({ role }) => role), [
      "user",
      "assistant",
      "user",
      "assistant",
    ]);
  });
}

/** Lets the syncs of files fail until it is disposed of. */
function failingSyncs(): Disposable {
  const real = Deno.FsFile.prototype.syncData;
  Deno.FsFile.prototype.syncData = () => Promise.reject(new Error("Input/output error"));
  return { [Symbol.dispose]: () => void (Deno.FsFile.prototype.syncData = real) };
}

Deno.test("a disk whose syncs fail: changes are refused until one succeeds", async () => {
  const clock = skippingClock();
  await using scripted = await startScripted({ clock, script: { steps: [{ text: "one " }] } });
  const { server } = scripted;
  const chat = await scripted.chat();
  const reason = "The disk of the database failed";
  {
    using _ = failingSyncs();
    const ready = await server.ask("GET", "/readyz");
    assertEquals([ready.status, (await ready.json()).message], [503, reason]);
    for (let times = 0; times < 3; times++) {
      clock.skip();
      await assertRefused(server, chat, reason);
    }
  }
  // The log is written again at most once a second.
  await new Promise((done) => setTimeout(done, 1_100));
  clock.skip();
  for (let times = 0; times < 2; times++) await assertTaken(server);
  assertEquals(saidOf(server), [
    `error: what is stored may be lost: ${reason}`,
    "info: what is stored may be lost: no longer: ",
  ]);
});
