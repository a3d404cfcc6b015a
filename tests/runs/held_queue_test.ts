/** P6: a stop holds what waits, until the user says how it goes on. */
import { assertEquals } from "@std/assert";
import { partsOf, StreamReader, textOf } from "../kit/data_stream.ts";
import { lastUserText, startProvider } from "../kit/provider/provider.ts";
import { type Scripted, startScripted } from "../kit/scripted.ts";
import { eventually } from "./injected_kit.ts";

const textIn = (stream: string) => textOf(partsOf(stream));

/** A provider that answers each text with itself, and a text with "hold" in it never to its end. */
const ECHO = (request: { body: Record<string, unknown> }) => {
  const text = lastUserText(request.body);
  return text.includes("hold")
    ? { steps: [{ text }, { stall: true as const }] }
    : { steps: [{ text }] };
};

/** A chat with a live run and two messages that wait. */
async function waitingChat(scripted: Scripted) {
  const { server } = scripted;
  const chat = await scripted.chat();
  const path = `/api/v2/chats/${chat}`;
  const live = new StreamReader(await scripted.send(chat, "hold"));
  await live.until("hold");
  const waiting = [];
  for (const text of ["two", "three"]) {
    waiting.push(await scripted.send(chat, text, { busy: "queue" }));
  }
  return {
    chat,
    live,
    run: live.response.headers.get("parley-run-id"),
    waiting,
    async stop(body?: unknown) {
      return await (await server.ask("POST", `${path}/stop`, { body })).json();
    },
    async goOn() {
      return (await server.ask("POST", `${path}/queue/continue`)).status;
    },
    async queue(): Promise<[string, boolean][]> {
      const listed = await (await server.ask("GET", `${path}/queue`)).json();
      return listed.map((
        { held, message }: { held: boolean; message: { content: string } },
      ) => [message.content, held]);
    },
    async asked() {
      const messages = await scripted.history(chat);
      return messages.filter(({ role }) => role === "user").map(({ content }) => content);
    },
  };
}

const HELD: [string, boolean][] = [["two", true], ["three", true]];

Deno.test("a stop holds the queue, and the next send releases it after its own answer", async () => {
  await using scripted = await startScripted({ script: ECHO });
  const chat = await waitingChat(scripted);
  assertEquals(await chat.queue(), [["two", false], ["three", false]]);
  assertEquals(await chat.stop(), { stopped: true, run_id: chat.run, queue: "held" });
  await chat.live.rest();
  assertEquals(await chat.queue(), HELD);
  // A second stop finds nothing to stop, and holds the queue all the same.
  const { stopped, queue } = await chat.stop();
  assertEquals([stopped, queue], [false, "held"]);
  assertEquals(scripted.provider.requests.length, 1);

  const sent = await scripted.send(chat.chat, "first");
  assertEquals(textIn(await sent.text()), "first");
  assertEquals(textIn(await chat.waiting[0]!.text()), "two");
  assertEquals(textIn(await chat.waiting[1]!.text()), "three");
  assertEquals(await chat.asked(), ["hold", "first", "two", "three"]);
  assertEquals(await chat.queue(), []);
});

Deno.test("a held queue goes on at once if it is told to", async () => {
  await using scripted = await startScripted({ script: ECHO });
  const chat = await waitingChat(scripted);
  await chat.stop({ run_id: chat.run });
  await chat.live.rest();
  assertEquals(await chat.queue(), HELD);
  assertEquals(await chat.goOn(), 204);
  assertEquals(textIn(await chat.waiting[0]!.text()), "two");
  assertEquals(textIn(await chat.waiting[1]!.text()), "three");
  assertEquals(await chat.asked(), ["hold", "two", "three"]);
  // With nothing to go on with, that is no error.
  assertEquals(await chat.goOn(), 204);
});

Deno.test("a stop may let the queue go on at once", async () => {
  await using scripted = await startScripted({ script: ECHO });
  const chat = await waitingChat(scripted);
  assertEquals(await chat.stop({ queue: "go_on" }), { stopped: true, run_id: chat.run });
  assertEquals(textIn(await chat.waiting[0]!.text()), "two");
  assertEquals(textIn(await chat.waiting[1]!.text()), "three");
  await chat.live.rest();
});

Deno.test("a stop of another run than the live one holds nothing", async () => {
  await using scripted = await startScripted({ script: ECHO });
  const chat = await waitingChat(scripted);
  const stale = { run_id: crypto.randomUUID() };
  assertEquals(await chat.stop(stale), { stopped: false, reason: "That run is not live." });
  assertEquals(await chat.queue(), [["two", false], ["three", false]]);
  // A run that waits is not live either.
  const waits = { run_id: chat.waiting[0]!.headers.get("parley-run-id") };
  assertEquals((await chat.stop(waits)).stopped, false);
  assertEquals(await chat.queue(), [["two", false], ["three", false]]);
  await chat.stop({ queue: "go_on" });
  for (const response of [...chat.waiting, chat.live.response]) {
    if (!response.bodyUsed) await response.text();
  }
  await chat.live.rest();
});

Deno.test("a send that interrupts holds nothing", async () => {
  await using scripted = await startScripted({ script: ECHO });
  const chat = await waitingChat(scripted);
  const urgent = await scripted.send(chat.chat, "urgent", { busy: "interrupt" });
  assertEquals(textIn(await urgent.text()), "urgent");
  assertEquals(textIn(await chat.waiting[0]!.text()), "two");
  assertEquals(textIn(await chat.waiting[1]!.text()), "three");
  await chat.live.rest();
  assertEquals(await chat.asked(), ["hold", "urgent", "two", "three"]);
});

Deno.test("another message that waits releases a held queue, in its order", async () => {
  await using scripted = await startScripted({ script: ECHO });
  const chat = await waitingChat(scripted);
  await chat.stop();
  const last = await scripted.send(chat.chat, "four", { busy: "queue" });
  for (const [index, text] of ["two", "three"].entries()) {
    assertEquals(textIn(await chat.waiting[index]!.text()), text);
  }
  assertEquals(textIn(await last.text()), "four");
  await chat.live.rest();
});

Deno.test("a held queue is held over a restart", async () => {
  const dataDir = await Deno.makeTempDir({ prefix: "parley-test-" });
  await using provider = await startProvider({ script: ECHO });
  try {
    let id: string;
    {
      await using scripted = await startScripted({ dataDir, provider });
      const chat = await waitingChat(scripted);
      id = chat.chat;
      await chat.stop();
      await chat.live.rest();
      await scripted.server.stop();
      for (const response of chat.waiting) await response.text();
    }
    await using scripted = await startScripted({ dataDir, provider });
    const path = `/api/v2/chats/${id}/queue`;
    const listed = await (await scripted.server.ask("GET", path)).json();
    assertEquals(listed.map(({ held }: { held: boolean }) => held), [true, true]);
    // What waits elsewhere goes on at the start: this has not.
    const other = await scripted.chat();
    assertEquals(textIn(await (await scripted.send(other, "Hello")).text()), "Hello");
    assertEquals((await scripted.history(id)).length, 2);
    const held = [
      await scripted.server.ask("GET", `/api/v2/chats/${id}/stream?run=${listed[0].run_id}`),
    ];
    assertEquals((await scripted.server.ask("POST", `${path}/continue`)).status, 204);
    assertEquals(textIn(await held[0]!.text()), "two");
    await eventually("the queue is empty", async () => {
      assertEquals((await scripted.history(id)).map(({ content }) => content), [
        ...["hold", "hold", "two", "two", "three", "three"],
      ]);
    });
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
});
