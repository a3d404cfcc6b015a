/** Holds a real chat against its model, once what was begun has come about. */
import { assert, assertEquals } from "@std/assert";
import { partsOf, StreamReader, textOf } from "../kit/data_stream.ts";
import { within } from "./many_kit.ts";
import { type Asked, type ChatModel, type EndState, promptOf, type Run } from "./model_chat.ts";
import { PATIENCE, type World } from "./model_world.ts";

/** Fails unless the chat is as the model says: streams, provider, history and queue. */
export async function settle(world: World, chat: ChatModel): Promise<void> {
  for (const { run, state } of chat.ended.splice(0)) await settleEnded(world, run, state);
  const { live } = chat;
  if (live && live.answerId === "") await settleLive(world, chat, live);
  for (const { model, request } of world.open(chat.id)) {
    // What was stopped is closed soon; a second live run would not be.
    const closed = within(PATIENCE, `the close of the request for ${model}`, request.ended);
    if (model !== live?.send.model) await closed;
    else closed.catch(() => {});
  }
  const open = world.open(chat.id).map(({ model }) => model);
  assertEquals(open, live ? [live.send.model] : [], "the provider's open requests");
  const history = await world.json(`/${chat.id}/messages`) as Record<string, string>[];
  const listed = history.map(({ id, role, content }) => ({ id, role, text: content }));
  assertEquals(
    listed,
    chat.branch.map(({ id, role, text }) => ({ id, role, text })),
    "the history",
  );
  const queue = await world.json(`/${chat.id}/queue`) as { run_id: string; held: boolean }[];
  const waiting = chat.queue.map(({ model }) => world.clients.get(model)!.runId);
  assertEquals(queue.map(({ run_id }) => run_id), waiting, "the queue");
  assert(queue.every(({ held }) => held === chat.held), "the queue is held, or is not");
}

const REASONS = { completed: "stop", failed: "error", stopped: "other" };

/** The stream of an ended run has all of its text and the right end. */
async function settleEnded(world: World, run: Run, state: EndState): Promise<void> {
  const client = world.clients.get(run.send.model)!;
  const { reader, chat, runId } = client;
  const whole = reader
    ? reader.rest()
    : world.ask("GET", `/${chat}/stream?run=${runId}`).then((response) => response.text());
  client.whole = await within(PATIENCE, `the end of the stream of ${run.send.model}`, whole);
  const parts = partsOf(client.whole);
  assertEquals(textOf(parts), run.said.join(""));
  assertEquals(parts.at(-1)?.value.finishReason, REASONS[state]);
  assertEquals(parts.some(({ code }) => code === "3"), state === "failed");
}

/** A live run has asked its provider the right thing, and its client has its answer's id. */
async function settleLive(world: World, chat: ChatModel, run: Run): Promise<void> {
  const { model } = run.send;
  const { request } = await world.held(model);
  assertEquals(askedOf(request.body), promptOf(run.asked), "the prompt");
  const client = world.clients.get(model)!;
  if (!client.reader) {
    const response = await world.ask("GET", `/${chat.id}/stream`);
    assertEquals(response.headers.get("parley-run-id"), client.runId);
    client.reader = new StreamReader(response);
  }
  await within(PATIENCE, `the start of the stream of ${model}`, client.reader.until("\n"));
  const [first] = partsOf(client.reader.text);
  assert(first?.code === "f", client.reader.text);
  run.answerId = first.value.messageId;
}

interface WireMessage {
  role: string;
  content?: string | { text: string }[];
  parts?: { text: string }[];
}

/** The messages of a request, in whatever dialect. */
function askedOf(body: Record<string, unknown>): Asked[] {
  const messages = (body["messages"] ?? body["contents"]) as WireMessage[];
  return messages.map(({ role, content, parts }) => {
    const said = content ?? parts!;
    const texts = typeof said === "string" ? [said] : said.map(({ text }) => text);
    return { role: role === "user" ? "user" : "assistant", texts };
  });
}
