/** How many answers and waiting messages there may be at once, and what waits for a place. */
import { assertEquals, assertMatch } from "@std/assert";
import { partsOf, StreamReader, textOf } from "../kit/data_stream.ts";
import { type Gate, gate, lastUserText } from "../kit/provider/provider.ts";
import { TOKENS } from "../kit/parley.ts";
import { type Scripted, startScripted } from "../kit/scripted.ts";
import { eventually } from "../runs/injected_kit.ts";

/** Holds the answers to texts with `hold` in them, and echoes the others. */
function holding(held: Gate) {
  return ({ body }: { body: Parameters<typeof lastUserText>[0] }) => {
    const text = lastUserText(body);
    return { steps: [{ text }, ...(text.includes("hold") ? [{ wait: held }] : [])] };
  };
}

async function start(held: Gate, env: Record<string, string>): Promise<Scripted> {
  return await startScripted({ script: holding(held), env });
}

/** The status of a send, whose stream is left. */
async function statusOf(sending: Promise<Response>): Promise<number> {
  const response = await sending;
  await response.body?.cancel();
  return response.status;
}

Deno.test("a user has so many answers at once, and everybody together", async () => {
  const held = gate();
  await using scripted = await start(held, {
    PARLEY_LIMIT_RUNS_PER_USER: "2",
    PARLEY_LIMIT_RUNS: "3",
  });
  const chats = await Promise.all([1, 2, 3].map(() => scripted.chat()));
  const message = { id: "one", role: "user", content: "hold one" };
  assertEquals(await statusOf(scripted.send(chats[0]!, "", { message })), 200);
  assertEquals(await statusOf(scripted.send(chats[1]!, "hold two")), 200);
  const refused = await scripted.send(chats[2]!, "three");
  assertEquals([refused.status, refused.headers.get("retry-after")], [429, "5"]);
  const { message: said, detail } = await refused.json();
  assertEquals(said, "Too many live answers");
  assertEquals(detail, "You have 2 live answers, and may have 2.");

  // A repeat asks for no answer, what waits has none yet, and what interrupts takes another's place.
  assertEquals(await statusOf(scripted.send(chats[0]!, "", { message })), 200);
  assertEquals(await statusOf(scripted.send(chats[0]!, "next", { busy: "queue" })), 200);
  assertEquals(await statusOf(scripted.send(chats[1]!, "hold four", { busy: "interrupt" })), 200);
  assertEquals(await statusOf(scripted.send(chats[2]!, "three")), 429);

  const bob = { token: TOKENS.bob };
  const theirs = await Promise.all([1, 2].map(() => scripted.chat(bob)));
  const asBob = (chat: string) =>
    scripted.server.ask("POST", `/api/v2/chats/${chat}/messages`, {
      ...bob,
      body: { message: { role: "user", content: "hold" }, model: "scripted" },
    });
  assertEquals(await statusOf(asBob(theirs[0]!)), 200);
  const full = await asBob(theirs[1]!);
  assertEquals([full.status, (await full.json()).detail], [
    429,
    "The server has 3 live answers, and takes no more.",
  ]);
  held.open();
  await eventually("the places are given back", async () => {
    const answer = await scripted.send(chats[2]!, "three");
    assertEquals([answer.status, textOf(partsOf(await answer.text()))], [200, "three"]);
  });
});

Deno.test("so many messages of a user may wait", async () => {
  const held = gate();
  await using scripted = await start(held, {
    PARLEY_LIMIT_QUEUED_PER_CHAT: "2",
    PARLEY_LIMIT_QUEUED_PER_USER: "3",
  });
  const chats = await Promise.all([1, 2].map(() => scripted.chat()));
  for (const chat of chats) await statusOf(scripted.send(chat, "hold"));
  const wait = (chat: number, text: string) =>
    statusOf(scripted.send(chats[chat]!, text, { busy: "queue" }));
  assertEquals([await wait(0, "1"), await wait(0, "2"), await wait(0, "3")], [200, 200, 429]);
  assertEquals([await wait(1, "4"), await wait(1, "5")], [200, 429]);
  const path = `/api/v2/chats/${chats[0]}/queue`;
  const [first] = await (await scripted.server.ask("GET", path)).json();
  await scripted.server.ask("DELETE", `${path}/${first.run_id}`);
  assertEquals(await wait(1, "5"), 200);
  held.open();
  await eventually("all are answered", async () => {
    assertEquals((await scripted.history(chats[0]!)).length, 4);
    assertEquals((await scripted.history(chats[1]!)).length, 6);
  });
});

Deno.test("what waits begins when there is a place, before what is sent later", async () => {
  const held = gate();
  await using scripted = await start(held, { PARLEY_LIMIT_RUNS_PER_USER: "1" });
  const [one, two] = await Promise.all([1, 2].map(() => scripted.chat()));
  const post = (path: string) => scripted.server.ask("POST", `/api/v2/chats/${one}${path}`);
  await statusOf(scripted.send(one!, "hold"));
  const waits = await scripted.send(one!, "waits", { busy: "queue" });
  await (await post("/stop")).json();
  await statusOf(scripted.send(two!, "hold"));
  assertEquals((await post("/queue/continue")).status, 204);
  assertEquals(await statusOf(scripted.send(one!, "later")), 409);
  held.open();
  assertEquals(textOf(partsOf(await waits.text())), "waits");
  await eventually("later is taken", async () => {
    assertEquals(textOf(partsOf(await (await scripted.send(one!, "later")).text())), "later");
  });
});

Deno.test("a message that cannot be taken when its turn comes says why until it is removed", async () => {
  const held = gate();
  await using scripted = await start(held, {});
  const chat = await scripted.chat();
  const live = new StreamReader(await scripted.send(chat, "hold"));
  await live.until("hold");
  // Its id is that of an answer by the time of its turn.
  const id = partsOf(live.text).find(({ value }) => value.messageId)?.value.messageId;
  const message = { id, role: "user", content: "never" };
  const key = { "idempotency-key": "never" };
  const joined = await scripted.send(chat, "", { message, busy: "queue" }, key);
  const run = joined.headers.get("parley-run-id")!;
  const behind = await scripted.send(chat, "behind", { busy: "queue" });
  held.open();
  assertMatch(await joined.text(), /^3:/m);
  assertEquals(textOf(partsOf(await behind.text())), "behind");

  const path = `/api/v2/chats/${chat}/queue`;
  const [refused, ...others] = await (await scripted.server.ask("GET", path)).json();
  assertEquals([refused.run_id, refused.failure.class, others], [run, "internal", []]);
  assertMatch(refused.failure.message, /the role assistant/);
  const again = await scripted.server.ask("GET", `/api/v2/chats/${chat}/stream?run=${run}`);
  assertMatch(await again.text(), /^3:/m);
  const repeated = await scripted.send(chat, "", { message, busy: "queue" }, key);
  assertEquals(repeated.headers.get("parley-run-id"), run);
  await repeated.text();
  assertEquals((await scripted.server.ask("DELETE", `${path}/${run}`)).status, 204);
  assertEquals(await (await scripted.server.ask("GET", path)).json(), []);
  await live.rest();
});
