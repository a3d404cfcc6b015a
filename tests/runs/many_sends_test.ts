/** P5: one paid run per send, however often and whenever it is sent again. */
import { assertEquals, AssertionError } from "@std/assert";
import { TOKENS } from "../kit/parley.ts";
import { deltas, gate, startProvider } from "../kit/provider/provider.ts";
import { partsOf, textOf } from "../kit/data_stream.ts";
import { type Scripted, startScripted } from "../kit/scripted.ts";

/** How many clients send the same at once. */
const COPIES = 100;

const MESSAGE = { id: "m1", role: "user", content: "Hello" };
const KEYED = { "idempotency-key": "k1" };
const STEPS = [{ reasoning: "hm" }, ...deltas(20), { finish: "stop" as const }];
const ANSWER = deltas(20).map((step) => "text" in step ? step.text : "").join("");

interface Waiting {
  run: string | null;
  rest: Promise<string>;
}

interface Received {
  status: number;
  run: string | null;
  bytes: string;
}

async function received(sending: Promise<Response>): Promise<Received> {
  const response = await sending;
  const bytes = new Uint8Array(await response.arrayBuffer()).toBase64();
  return { status: response.status, run: response.headers.get("parley-run-id"), bytes };
}

async function sendMany(count: number, send: (index: number) => Promise<Response>) {
  return await Promise.all(Array.from({ length: count }, (_, index) => received(send(index))));
}

/** Fails unless all are the one same whole answer. */
function assertOneAnswer(all: Received[]): void {
  assertEquals(all.map(({ status }) => status), all.map(() => 200));
  assertEquals(new Set(all.map(({ run }) => run)).size, 1);
  assertEquals(new Set(all.map(({ bytes }) => bytes)).size, 1);
  const text = new TextDecoder().decode(Uint8Array.fromBase64(all[0]!.bytes));
  assertEquals(textOf(partsOf(text)), ANSWER);
}

async function assertOneTurn(scripted: Scripted, chat: string): Promise<void> {
  const history = await scripted.history(chat);
  assertEquals(history.map(({ role, content }) => [role, content]), [
    ["user", "Hello"],
    ["assistant", ANSWER],
  ]);
}

Deno.test("the same send a hundred times at once, after its end, and after a restart", async () => {
  await using provider = await startProvider({ script: { steps: STEPS } });
  const dataDir = await Deno.makeTempDir({ prefix: "parley-test-" });
  try {
    const all: Received[] = [];
    let chat: string;
    {
      await using scripted = await startScripted({ provider, dataDir });
      chat = await scripted.chat();
      const send = () => scripted.send(chat, "", { message: MESSAGE }, KEYED);
      all.push(...await sendMany(COPIES, send));
      for (let retry = 0; retry < 3; retry++) all.push(await received(send()));
      await assertOneTurn(scripted, chat);
    }
    await using scripted = await startScripted({ provider, dataDir });
    const send = () => scripted.send(chat, "", { message: MESSAGE }, KEYED);
    all.push(await received(send()), ...await sendMany(COPIES, send));
    assertOneAnswer(all);
    await assertOneTurn(scripted, chat);
    assertEquals(provider.requests.length, 1);
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
});

Deno.test("the same send at every moment of its run", async () => {
  const gates = Array.from({ length: COPIES }, gate);
  const steps = gates.flatMap((held, index) => [{ wait: held }, { text: `${index} ` }]);
  await using scripted = await startScripted({ script: { steps } });
  const chat = await scripted.chat();
  const all: Promise<Received>[] = [];
  for (const held of gates) {
    const response = await scripted.send(chat, "", { message: MESSAGE }, KEYED);
    all.push(received(Promise.resolve(response)));
    held.open();
  }
  const first = await all[0]!;
  for (const other of await Promise.all(all)) assertEquals(other, first);
  assertEquals(scripted.provider.requests.length, 1);
  assertEquals((await scripted.history(chat)).length, 2);
});

Deno.test("the same send under every policy for busy chats, while others wait", async () => {
  const held = gate();
  await using scripted = await startScripted({ script: { steps: [{ wait: held }, ...STEPS] } });
  const chat = await scripted.chat();
  const first = received(scripted.send(chat, "", { message: MESSAGE }, KEYED));
  await scripted.provider.waitForRequests(1);
  const waiting = received(scripted.send(chat, "and then", { busy: "queue" }));
  const policies = ["queue", "interrupt", "reject"];
  while ((await queueOf(scripted, chat)).length === 0);
  const repeats = sendMany(
    COPIES - 1,
    (index) => scripted.send(chat, "", { message: MESSAGE, busy: policies[index % 3] }, KEYED),
  );
  held.open();
  assertOneAnswer([await first, ...await repeats]);
  assertEquals((await waiting).status, 200);
  assertEquals(scripted.provider.requests.length, 2);
  assertEquals((await scripted.history(chat)).length, 4);
});

Deno.test("the same message id and contents without a key, while the run is live", async () => {
  const held = gate();
  await using scripted = await startScripted({ script: { steps: [{ wait: held }, ...STEPS] } });
  const chat = await scripted.chat();
  const send = () => scripted.send(chat, "", { message: MESSAGE });
  const responses = await Promise.all(Array.from({ length: COPIES }, send));
  responses.push(await send(), await send(), await send());
  held.open();
  assertOneAnswer(
    await Promise.all(responses.map((response) => received(Promise.resolve(response)))),
  );
  await assertOneTurn(scripted, chat);
  assertEquals(scripted.provider.requests.length, 1);
});

Deno.test("the same live message joins its run while others wait, whatever its policy", async (t) => {
  for (const busy of ["reject", "queue", "interrupt"]) {
    await t.step(busy, async () => {
      const held = gate();
      await using scripted = await startScripted({
        script: { steps: [{ wait: held }, ...STEPS] },
      });
      const chat = await scripted.chat();
      const first = await scripted.send(chat, "", { message: MESSAGE });
      const waiting = await scripted.send(chat, "and then", { busy: "queue" });
      const again = await scripted.send(chat, "", { message: MESSAGE, busy });
      const run = first.headers.get("parley-run-id");
      assertEquals([again.status, again.headers.get("parley-run-id")], [200, run]);
      held.open();
      assertOneAnswer([
        await received(Promise.resolve(first)),
        await received(Promise.resolve(again)),
      ]);
      await waiting.text();
      assertEquals(scripted.provider.requests.length, 2);
    });
  }
});

Deno.test("the same key in other chats, and of other owners, is another send", async () => {
  await using scripted = await startScripted({ script: { steps: STEPS } });
  const { server, provider } = scripted;
  const owners = [TOKENS.alice, TOKENS.bob, TOKENS.alice, TOKENS.bob];
  const chats = await Promise.all(owners.map((token) => scripted.chat({ token })));
  const send = (chat: string, token: string) =>
    server.ask("POST", `/api/v2/chats/${chat}/messages`, {
      body: { message: MESSAGE, model: "scripted" },
      headers: KEYED,
      token,
    });
  const all = await sendMany(COPIES, (index) => {
    const at = index % chats.length;
    return send(chats[at]!, owners[at]!);
  });
  chats.forEach((_, at) => {
    assertOneAnswer(all.filter((_, index) => index % chats.length === at));
  });
  assertEquals(new Set(all.map(({ run }) => run)).size, chats.length);
  assertEquals(provider.requests.length, chats.length);

  const foreign = await received(send(chats[0]!, TOKENS.bob));
  assertEquals([foreign.status, foreign.run], [404, null]);
  assertEquals(provider.requests.length, chats.length);
});

Deno.test("a message that waits is sent again: it waits once, and after a restart too", async () => {
  const held = gate();
  await using provider = await startProvider({ script: { steps: [{ wait: held }, ...STEPS] } });
  const dataDir = await Deno.makeTempDir({ prefix: "parley-test-" });
  try {
    let chat: string;
    let runs: (string | null)[];
    const keys = ["second", "third"];
    const repeat = async (scripted: Scripted, key: string): Promise<Waiting> => {
      const response = await scripted.send(chat, key, { busy: "queue" }, {
        "idempotency-key": key,
      });
      const run = response.headers.get("parley-run-id");
      if (response.status !== 200) throw new AssertionError({ message: await response.text() });
      return { run, rest: response.text() };
    };
    {
      await using scripted = await startScripted({ provider, dataDir });
      chat = await scripted.chat();
      const first = await scripted.send(chat, "first");
      const waiting: Waiting[] = [];
      for (const key of keys) {
        for (let time = 0; time < 10; time++) waiting.push(await repeat(scripted, key));
      }
      runs = keys.map((_, index) => waiting[index * 10]!.run);
      assertEquals(
        waiting.map(({ run }) => run),
        waiting.map((_, at) => runs[Math.floor(at / 10)]!),
      );
      assertEquals((await queueOf(scripted, chat)).length, 2);
      await scripted.server.stop();
      await first.text();
      for (const { rest } of waiting) assertEquals(await rest, "");
    }
    await using scripted = await startScripted({ provider, dataDir });
    await provider.waitForRequests(2);
    const again = [];
    for (const key of keys) again.push(await repeat(scripted, key));
    assertEquals(again.map(({ run }) => run), runs);
    held.open();
    for (const { rest } of again) assertEquals(textOf(partsOf(await rest)), ANSWER);
    assertEquals(provider.requests.length, 3);
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
});

Deno.test("the same message without a key waits once", async () => {
  const held = gate();
  await using scripted = await startScripted({ script: { steps: [{ wait: held }, ...STEPS] } });
  const chat = await scripted.chat();
  const first = received(scripted.send(chat, "first"));
  await scripted.provider.waitForRequests(1);
  const policies = ["queue", "queue", "reject", "interrupt"];
  const send = (busy: string) => scripted.send(chat, "", { message: MESSAGE, busy });
  const waiting = [await send("queue")];
  waiting.push(
    ...await Promise.all(
      Array.from({ length: COPIES }, (_, index) => send(policies[index % 4]!)),
    ),
  );
  assertEquals((await queueOf(scripted, chat)).length, 1);
  held.open();
  assertOneAnswer(await Promise.all(waiting.map((one) => received(Promise.resolve(one)))));
  assertEquals((await first).status, 200);
  assertEquals(scripted.provider.requests.length, 2);
});

Deno.test("a send that found the queue full may come again with its key", async () => {
  const held = gate();
  await using scripted = await startScripted({ script: { steps: [{ wait: held }, ...STEPS] } });
  const chat = await scripted.chat();
  const streams = [await scripted.send(chat, "first")];
  const send = (key: string) =>
    scripted.send(chat, key, { busy: "queue" }, { "idempotency-key": key });
  for (let place = 0; place < 20; place++) streams.push(await send(`k${place}`));
  for (let time = 0; time < 3; time++) {
    const full = await send("k20");
    assertEquals(full.status, 429);
    await full.body?.cancel();
  }
  const [oldest] = await queueOf(scripted, chat);
  const path = `/api/v2/chats/${chat}/queue/${oldest!.run_id}`;
  assertEquals((await scripted.server.ask("DELETE", path)).status, 204);
  const taken = await send("k20");
  assertEquals(taken.status, 200);
  held.open();
  assertEquals(textOf(partsOf(await taken.text())), ANSWER);
  await Promise.all(streams.map((stream) => stream.text()));
});

async function queueOf(scripted: Scripted, chat: string): Promise<{ run_id: string }[]> {
  return await (await scripted.server.ask("GET", `/api/v2/chats/${chat}/queue`)).json();
}
