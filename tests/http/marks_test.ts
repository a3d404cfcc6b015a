/** How an answer ended that is not complete, as a page finds it in the history after a reload. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { FakeClock } from "../kit/clock.ts";
import { StreamReader } from "../kit/data_stream.ts";
import type { Step } from "../kit/provider/script.ts";
import { type Scripted, startScripted } from "../kit/scripted.ts";

/** The roles of a history with their marks, in both protocols, which have to agree. */
async function marksOf({ server }: Scripted, chat: string, query = ""): Promise<unknown[]> {
  const read = async (protocol: string) =>
    await (await server.ask("GET", `/api/v2/chats/${chat}/messages?protocol=${protocol}${query}`))
      .json();
  type V4 = { role: string; annotations?: { run?: unknown }[] };
  type Ui = { role: string; metadata?: { run?: unknown } };
  const v4 = (await read("data")).map(({ role, annotations = [] }: V4) => {
    return [role, annotations.find(({ run }) => run)?.run];
  });
  const ui = (await read("ui")).map(({ role, metadata }: Ui) => [role, metadata?.run]);
  assertEquals(v4, ui);
  return ui;
}

const CUT = {
  status: "failed",
  reason: "provider_cut",
  message: 'The connection to the provider "openai-compatible" broke off.',
  retryable: true,
};
const STOPPED = {
  status: "stopped",
  reason: "stopped",
  message: "The answer was stopped.",
  retryable: true,
};

async function stop({ server }: Scripted, chat: string): Promise<void> {
  await (await server.ask("POST", `/api/v2/chats/${chat}/stop`)).text();
}

Deno.test("an answer that was cut off is marked, still when its log has expired", async () => {
  const clock = new FakeClock();
  await using scripted = await startScripted({
    clock,
    script: { steps: [{ text: "half" }, { cut: true }] },
    env: { PARLEY_LIMIT_RETRIES: "0" },
  });
  const chat = await scripted.chat();
  await (await scripted.send(chat, "Hello")).text();
  const marks = [["user", undefined], ["assistant", CUT]];
  assertEquals(await marksOf(scripted, chat), marks);
  await clock.sleeping(60_000);
  clock.advance(11 * 60_000);
  await clock.sleeping(60_000);
  assertEquals(await marksOf(scripted, chat), marks);
  const fork = await scripted.server.ask("POST", `/api/v2/chats/${chat}/fork`, { body: {} });
  assertEquals(await marksOf(scripted, (await fork.json()).id), marks);
});

Deno.test("a question that was refused is marked, until it is answered", async () => {
  const refusal = { status: 401 };
  const answer = { steps: [{ text: "fine" }] satisfies Step[] };
  await using scripted = await startScripted({ script: [refusal, answer, answer, refusal] });
  const { server } = scripted;
  const chat = await scripted.chat();
  const send = async (message: object) => await (await scripted.send(chat, "", { message })).text();
  const history = async () =>
    await (await server.ask("GET", `/api/v2/chats/${chat}/messages?protocol=ui`)).json();
  const question = { id: "q1", role: "user", content: "Hello" };
  const fine = [["user", undefined], ["assistant", undefined]];

  await send(question);
  const [refused] = await history();
  const { message, ...mark } = refused.metadata.run;
  assertEquals(mark, { status: "failed", reason: "provider_auth", retryable: false });
  assertStringIncludes(message, "openai-compatible");
  assertEquals(await marksOf(scripted, chat), [["user", refused.metadata.run]]);

  await send(question);
  assertEquals(await marksOf(scripted, chat), fine);

  // A client sends the mark back with an edited question.
  const edited = { ...refused, parts: [{ type: "text", text: "Hi" }] };
  await send(edited);
  assertEquals(await marksOf(scripted, chat), fine);
  const [{ metadata: { branches } }] = await history();

  // Another answer is refused: the first one is still fine.
  await send(edited);
  assertEquals(await marksOf(scripted, chat), [["user", refused.metadata.run]]);
  assertEquals(await marksOf(scripted, chat, `&branch=${branches.key}`), fine);
  assertEquals(await marksOf(scripted, chat, `&branch=${branches.key}&limit=2`), fine);
});

Deno.test("a client's own metadata is not taken for a mark", async () => {
  await using scripted = await startScripted({ script: { steps: [{ text: "fine" }] } });
  const chat = await scripted.chat();
  const metadata = { run: { status: "failed" }, annotations: [{ run: 3 }] };
  const message = { role: "user", content: "Hello", metadata };
  await (await scripted.send(chat, "", { message })).text();
  const path = `/api/v2/chats/${chat}/messages?protocol=ui`;
  const [question] = await (await scripted.server.ask("GET", path)).json();
  assertEquals(question.metadata, metadata);
});

Deno.test("a stopped answer is marked, and one that was stopped before its first word", async () => {
  await using scripted = await startScripted({
    script: [{ steps: [{ text: "half" }, { stall: true }] }, { steps: [{ stall: true }] }],
  });
  const chat = await scripted.chat();
  const live = new StreamReader(await scripted.send(chat, "one"));
  await live.until("half");
  await stop(scripted, chat);
  const second = await scripted.send(chat, "two");
  await scripted.provider.waitForRequests(2);
  await stop(scripted, chat);
  await second.text();
  assertEquals(await marksOf(scripted, chat), [
    ["user", undefined],
    ["assistant", STOPPED],
    ["user", STOPPED],
  ]);
});
