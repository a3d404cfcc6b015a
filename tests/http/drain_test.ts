/** A shutdown step by step: runs end first, HTTP answers all the while, the database is closed last. */
import { assert, assertEquals } from "@std/assert";
import { FakeClock } from "../kit/clock.ts";
import { partsOf, StreamReader, textOf } from "../kit/data_stream.ts";
import { gate, startProvider } from "../kit/provider/provider.ts";
import { request } from "../kit/request.ts";
import { type Scripted, startScripted } from "../kit/scripted.ts";
import { replacing } from "../kit/stores.ts";
import { rowsOf, within } from "../runs/many_kit.ts";

const LIMIT = 10_000;

/** A chat with a file, a live answer, a message that waits, and somebody who watches. */
async function busyChat(scripted: Scripted) {
  const { server } = scripted;
  const chat = await scripted.chat();
  const path = `/api/v2/chats/${chat}`;
  const file = await (await server.ask("POST", `${path}/files`, { body: "text" })).json();
  const live = new StreamReader(await scripted.send(chat, "hold"));
  await live.until("half ");
  const waiting = await scripted.send(chat, "waits", { busy: "queue" });
  const watch = new StreamReader(await server.ask("GET", "/api/v2/chats/watch"));
  await watch.until("watching");
  const run = live.response.headers.get("parley-run-id");
  return { chat, path, file: file.url as string, live, waiting, watch, run };
}

/** Every kind of request, with the statuses that it may have while the server shuts down. */
async function askAll(
  scripted: Scripted,
  { path, file }: { path: string; file: string },
): Promise<Record<string, number>> {
  const { server } = scripted;
  const message = { role: "user", content: "too late" };
  const send = (extra: Record<string, unknown> = {}) => ({
    body: { message, model: "scripted", ...extra },
  });
  const other = await scripted.chat().catch(() => "none");
  const asked: [string, string, Parameters<typeof server.ask>[2]?][] = [
    ["GET", "/healthz"],
    ["GET", "/readyz"],
    ["GET", "/api/v2/chats"],
    ["GET", path],
    ["GET", `${path}/messages`],
    ["GET", `${path}/messages?include=live&protocol=ui`],
    ["GET", `${path}/queue`],
    ["GET", `${path}/usage`],
    ["GET", "/api/v2/usage"],
    ["GET", file],
    ["GET", `${path}/stream?run=${crypto.randomUUID()}`],
    ["POST", "/api/v2/chats", { body: {} }],
    ["PATCH", path, { body: { title: "Other" } }],
    ["POST", `${path}/files`, { body: "more" }],
    ["POST", `${path}/fork`, { body: {} }],
    ["POST", `${path}/messages`, send()],
    ["POST", `${path}/messages`, send({ busy: "queue" })],
    ["POST", `${path}/messages`, send({ busy: "interrupt" })],
    ["POST", `/api/v2/chats/${other}/messages`, send()],
    ["POST", `${path}/queue/continue`],
    ["DELETE", `${path}/queue/${crypto.randomUUID()}`],
    ["DELETE", `/api/v2/chats/${other}`],
  ];
  const statuses: Record<string, number> = {};
  for (const [method, to, options] of asked) {
    const what = `${method} ${to} ${JSON.stringify(options?.body ?? "")}`;
    const response = await within(LIMIT, what, request(server, method, to, options));
    await within(LIMIT, what, response.text());
    statuses[what] = response.status;
  }
  return statuses;
}

/** Only sends are refused, and nothing fails. */
function checkStatuses(statuses: Record<string, number>): void {
  for (const [what, status] of Object.entries(statuses)) {
    const isSend = /^POST \S+\/messages /.test(what);
    if (isSend) assertEquals(status, 503, what);
    else assert(status < 300 || [404, 409].includes(status), `${status}: ${what}`);
  }
}

Deno.test("while runs are drained, and behind it, HTTP answers and only sends are refused", async () => {
  const held = gate();
  const clock = new FakeClock();
  await using scripted = await startScripted({
    clock,
    script: { steps: [{ text: "half " }, { wait: held }, { text: "whole" }] },
  });
  // Whatever fails, the server can end.
  using _ = { [Symbol.dispose]: held.open };
  const chat = await busyChat(scripted);
  const { server } = scripted;
  const drained = server.parley.drain(30_000);
  assertEquals(await chat.waiting.text(), "");
  const during = await askAll(scripted, chat);
  checkStatuses(during);
  // Who comes now may still see the answer that is being made.
  const joined = await server.ask("GET", `${chat.path}/stream`);
  held.open();
  assertEquals(textOf(partsOf(await chat.live.rest())), "half whole");
  assertEquals(textOf(partsOf(await joined.text())), "half whole");
  await within(LIMIT, "the drain", drained);
  await within(LIMIT, "who watches", chat.watch.rest());
  checkStatuses(await askAll(scripted, chat));
  const messages = (await scripted.history(chat.chat)).map(({ content }) => content);
  assertEquals(messages, ["hold", "half whole"]);
  const again = await server.ask("GET", `${chat.path}/stream?run=${chat.run}`);
  assertEquals(textOf(partsOf(await again.text())), "half whole");
  // A second drain changes nothing.
  await server.parley.drain(0);
});

Deno.test("runs that take too long are stopped, stored and told of before the database is closed", async () => {
  const clock = new FakeClock();
  const dataDir = await Deno.makeTempDir({ prefix: "parley-test-" });
  await using provider = await startProvider({
    script: { steps: [{ text: "half " }, { wait: gate() }] },
  });
  try {
    await using scripted = await startScripted({ clock, provider, dataDir });
    const chats = [];
    for (let n = 0; n < 3; n++) chats.push(await busyChat(scripted));
    const drained = scripted.server.parley.drain(30_000);
    await clock.sleeping(30_000);
    clock.advance(30_000);
    await within(LIMIT, "the drain", drained);
    for (const { chat, live } of chats) {
      const parts = partsOf(await live.rest());
      assertEquals([textOf(parts), parts.at(-1)?.value.finishReason], ["half ", "other"]);
      assertEquals((await scripted.history(chat)).at(-1)?.content, "half ");
    }
    assertEquals((await request(scripted.server, "GET", "/healthz")).status, 200);
    await scripted.server.stop();
    const [row] = await rowsOf(
      dataDir,
      `SELECT (SELECT count(*) FROM runs WHERE state <> 'stopped') AS live,
        (SELECT count(*) FROM attempts WHERE outcome = 'open') AS open,
        (SELECT count(*) FROM queue) AS waiting`,
    );
    assertEquals([row?.live, row?.open, row?.waiting], [0, 0, 3]);
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
});

Deno.test("sends that arrive at the moment of a shutdown are answered or refused, and never fail", async () => {
  for (let round = 0; round < 10; round++) {
    await using scripted = await startScripted({ script: { steps: [{ text: "ok" }] } });
    const chats = await Promise.all(Array.from({ length: 6 }, () => scripted.chat()));
    const sends = chats.map((chat, place) =>
      scripted.send(chat, "Hello", { busy: place % 2 ? "queue" : "reject" })
    );
    // Some of them have been read by then, and some have not.
    for (let turn = 0; turn < round * 2; turn++) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    const drained = scripted.server.parley.drain(5_000);
    for (const response of await Promise.all(sends)) {
      const body = await response.text();
      assert([200, 503].includes(response.status), `${response.status}: ${body}`);
      if (response.status === 200) assertEquals(textOf(partsOf(body)), "ok");
    }
    await within(LIMIT, "the drain", drained);
  }
});

Deno.test("a request that is still read when the database is closed is refused", async () => {
  const [asked, held] = [gate(), gate()];
  await using scripted = await startScripted({
    stores: replacing(({ chats }) => ({
      chats: {
        list: async (ownerId, page) => {
          asked.open();
          await held.opened;
          return await chats.list(ownerId, page);
        },
      },
    })),
  });
  const { server } = scripted;
  const listing = server.ask("GET", "/api/v2/chats");
  await asked.opened;
  await within(LIMIT, "the close", server.parley.close());
  held.open();
  const response = await within(LIMIT, "the answer", listing);
  assertEquals([response.status, (await response.json()).message !== ""], [503, true]);
});
