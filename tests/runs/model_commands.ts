/** What people do to chats, and what each of it must come to by the model. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { StreamReader } from "../kit/data_stream.ts";
import { within } from "./many_kit.ts";
import { type Busy, ChatModel, type Fate, type Plan } from "./model_chat.ts";
import { settle } from "./model_settle.ts";
import { type Client, DIALECTS, PATIENCE, type World } from "./model_world.ts";

/** The chats of one sequence of commands. */
export interface Model {
  chats: ChatModel[];
  /** How many messages there have been, for their ids. */
  messages: number;
}

type Command = fc.AsyncCommand<Model, World>;

const MOST_CHATS = 2;
const MOST_WAITING = 4;
const NOBODY = "00000000-0000-4000-8000-000000000000";

/** Something that is done to one of the chats. */
abstract class ChatCommand implements Command {
  constructor(readonly pick: number) {}

  check({ chats }: Readonly<Model>): boolean {
    return chats.length > 0 && this.applies(this.chatOf(chats));
  }

  async run(model: Model, world: World): Promise<void> {
    const chat = this.chatOf(model.chats);
    await within(4 * PATIENCE, String(this), this.act(chat, world, model));
    if (model.chats.includes(chat)) await settle(world, chat);
  }

  toString(): string {
    const fields = Object.entries(this).filter(([name]) => name !== "pick");
    const shown = fields.map(([, value]) =>
      typeof value === "object" ? Object.values(value) : value
    );
    return `${this.constructor.name}#${this.pick}(${shown.flat().join(" ")})`;
  }

  protected applies(_chat: ChatModel): boolean {
    return true;
  }

  protected abstract act(chat: ChatModel, world: World, model: Model): Promise<void>;

  protected chatOf(chats: readonly ChatModel[]): ChatModel {
    return chats[this.pick % chats.length]!;
  }

  protected of<T>(all: readonly T[]): T | undefined {
    return all[this.pick % Math.max(1, all.length)];
  }
}

/** Makes a chat. */
export async function createChat(world: World): Promise<ChatModel> {
  const response = await world.ask("POST", "", { title: "A chat" });
  assertEquals(response.status, 201);
  const { id } = await response.json();
  return new ChatModel(id, "A chat");
}

class Create implements Command {
  check = ({ chats }: Readonly<Model>) => chats.length < MOST_CHATS;

  async run({ chats }: Model, world: World): Promise<void> {
    chats.push(await createChat(world));
    await settle(world, chats.at(-1)!);
  }

  toString = () => "Create";
}

const STATUS: Record<Fate, number> = { begins: 200, joins: 200, waits: 200, busy: 409, bad: 400 };

class Send extends ChatCommand {
  constructor(
    pick: number,
    readonly what: "new" | "edit" | "again" | "answer",
    readonly busy: Busy,
    readonly dialect: string,
    readonly plan: Plan,
  ) {
    super(pick);
  }

  protected override applies({ queue }: ChatModel): boolean {
    return this.busy !== "queue" || queue.length < MOST_WAITING;
  }

  protected async act(chat: ChatModel, world: World, model: Model): Promise<void> {
    const number = ++model.messages;
    const role = this.what === "answer" ? "assistant" : "user";
    const known = this.what === "new"
      ? undefined
      : this.of(chat.branch.filter((message) => message.role === role));
    const id = known?.id ?? `message-${number}`;
    const text = this.what === "again" && known ? known.text : `Hello ${number}`;
    const send = world.name(this.dialect, { id, text, plan: this.plan });
    const same = chat.sameAs(send) ?? chat.live?.send;
    const met = same && world.clients.get(same.model);
    const fate = chat.send(send, this.busy);
    const response = await world.send(chat.id, send, this.busy);
    const run = response.headers.get("parley-run-id");
    assertEquals([response.status, fate], [STATUS[fate], fate]);
    if (fate === "busy" || fate === "joins") assertEquals(run, met!.runId);
    if (response.status !== 200) await response.body?.cancel();
    if (fate === "joins") await leaveBehind(chat, world.clients.get(send.model)!, world);
  }
}

/** A stream of a live run has all that was said; then its client goes. */
async function leaveBehind(
  { live }: ChatModel,
  { runId, reader }: Pick<Client, "runId" | "reader">,
  world: World,
): Promise<void> {
  const isLive = live && world.clients.get(live.send.model)?.runId === runId;
  const last = isLive ? live.said.at(-1) : undefined;
  if (last !== undefined) await within(PATIENCE, "what was said", reader!.until(last));
  await reader!.leave();
}

/** The same request once more: it never makes another run. */
class Repeat extends ChatCommand {
  protected async act(chat: ChatModel, world: World): Promise<void> {
    const sent = [...world.clients.values()].filter((client) => client.chat === chat.id);
    const client = this.of(sent);
    if (!client) return;
    const headers = { "idempotency-key": client.key };
    const response = await world.ask("POST", `/${chat.id}/messages`, client.body, headers);
    assertEquals(response.status, client.cancelled ? 409 : 200);
    if (client.cancelled) return await response.body?.cancel();
    assertEquals(response.headers.get("parley-run-id"), client.runId);
    const { runId } = client;
    const live = chat.live && world.clients.get(chat.live.send.model);
    if (live?.runId === runId) {
      return await leaveBehind(chat, { runId, reader: new StreamReader(response) }, world);
    }
    const ended = sent.find(({ runId, whole }) => runId === client.runId && whole !== undefined);
    if (ended) assertEquals(await response.text(), ended.whole);
    else await response.body?.cancel();
  }
}

class Proceed extends ChatCommand {
  protected override applies({ live }: ChatModel): boolean {
    return live !== undefined;
  }

  protected async act(chat: ChatModel, world: World): Promise<void> {
    const run = chat.live!;
    await world.proceed(run);
    if (run.said.length === run.send.plan.deltas) {
      // An answer without a word is none.
      const isWhole = run.send.plan.ending === "finish" && run.said.length > 0;
      chat.end(isWhole ? "completed" : "failed");
    } else {
      const delta = chat.say();
      const { reader } = world.clients.get(run.send.model)!;
      await within(PATIENCE, delta, reader!.until(delta));
    }
  }
}

class Stop extends ChatCommand {
  constructor(
    pick: number,
    readonly which: "any" | "right" | "stale" | "waiting",
    readonly on: "hold" | "go_on" | undefined,
  ) {
    super(pick);
  }

  protected async act(chat: ChatModel, world: World): Promise<void> {
    const { live, queue } = chat;
    const runOf = (model: string | undefined) => model && world.clients.get(model)?.runId;
    const right = runOf(live?.send.model);
    const run_id = {
      any: undefined,
      right: right ?? NOBODY,
      stale: [...world.clients.values()].find(({ whole }) => whole !== undefined)?.runId ?? NOBODY,
      waiting: runOf(queue[0]?.model) ?? NOBODY,
    }[this.which];
    const stops = live && (run_id === undefined || run_id === right);
    // A stale stop changes nothing.
    if (stops || run_id === undefined) chat.stop(this.on !== "go_on");
    const response = await world.ask("POST", `/${chat.id}/stop`, { run_id, queue: this.on });
    const { stopped, run_id: found, queue: held } = await response.json();
    assertEquals([stopped, found], stops ? [true, right] : [false, undefined]);
    const isHeld = (stops || run_id === undefined) && this.on !== "go_on" && queue.length > 0;
    assertEquals(held, isHeld ? "held" : undefined);
  }
}

/** Lets a held queue go on. */
class Continue extends ChatCommand {
  protected async act(chat: ChatModel, world: World): Promise<void> {
    chat.release();
    const response = await world.ask("POST", `/${chat.id}/queue/continue`);
    assertEquals(response.status, 204);
  }
}

/** Comes back to a run: to the live one, or to one that has ended. */
class Resume extends ChatCommand {
  constructor(pick: number, readonly after: number) {
    super(pick);
  }

  protected async act(chat: ChatModel, world: World): Promise<void> {
    const response = await world.ask("GET", `/${chat.id}/stream`);
    const live = chat.live && world.clients.get(chat.live.send.model);
    assertEquals([response.status, response.headers.get("parley-run-id")], [
      live ? 200 : 204,
      live?.runId ?? null,
    ]);
    if (live) {
      const reader = new StreamReader(response);
      await leaveBehind(chat, { runId: live.runId, reader }, world);
      const [longer, shorter] = [reader.text, live.reader!.text].sort((a, b) =>
        b.length - a.length
      );
      assert(longer!.startsWith(shorter!), `${longer} does not begin with ${shorter}`);
    }
    const ended = this.of(
      [...world.clients.values()].filter((client) =>
        client.chat === chat.id && client.whole !== undefined
      ),
    );
    if (!ended) return;
    const path = `/${chat.id}/stream?run=${ended.runId}&after=${this.after}`;
    const rest = await (await world.ask("GET", path)).text();
    assert(ended.whole!.endsWith(rest), `${ended.whole} does not end with ${rest}`);
    if (this.after === 0) assertEquals(rest, ended.whole);
  }
}

class Cancel extends ChatCommand {
  protected async act(chat: ChatModel, world: World): Promise<void> {
    const at = this.pick % (chat.queue.length + 1);
    const client = world.clients.get(chat.queue.splice(at, 1)[0]?.model ?? "");
    const path = `/${chat.id}/queue/${client?.runId ?? NOBODY}`;
    assertEquals((await world.ask("DELETE", path)).status, client ? 204 : 404);
    if (!client) return;
    client.cancelled = true;
    assertEquals(await client.reader?.rest() ?? "", "");
  }
}

class Rename extends ChatCommand {
  protected async act(chat: ChatModel, world: World): Promise<void> {
    chat.title = `Title ${this.pick}`;
    const renamed = await world.ask("PATCH", `/${chat.id}`, { title: chat.title });
    assertEquals((await renamed.json()).title, chat.title);
  }
}

class Delete extends ChatCommand {
  override check({ chats }: Readonly<Model>): boolean {
    return chats.length > 1;
  }

  protected async act(chat: ChatModel, world: World, model: Model): Promise<void> {
    model.chats.splice(model.chats.indexOf(chat), 1);
    await removeChat(chat, world);
  }
}

/** Deletes a chat: its run is stopped, what waits is forgotten, and nothing is left of it. */
export async function removeChat(chat: ChatModel, world: World): Promise<void> {
  const waiting = chat.queue.splice(0).map(({ model }) => world.clients.get(model)!);
  const readers = [...waiting];
  if (chat.live) chat.end("stopped");
  assertEquals((await world.ask("DELETE", `/${chat.id}`)).status, 204);
  for (const { reader } of readers) assertEquals(await reader?.rest() ?? "", "");
  for (const { request } of world.open(chat.id)) {
    await within(PATIENCE, "the close of a deleted chat's request", request.ended);
  }
  for (const path of ["", "/messages", "/stream", "/queue"]) {
    const gone = await world.ask("GET", `/${chat.id}${path}`);
    await gone.body?.cancel();
    assertEquals(gone.status, 404);
  }
}

class List implements Command {
  check = () => true;

  async run({ chats }: Model, world: World): Promise<void> {
    const listed: { id: string; title: string; updated_at: string }[] = await world.json("");
    const byId = (a: { id: string }, b: { id: string }) => a.id < b.id ? -1 : 1;
    const named = listed.map(({ id, title }) => ({ id, title })).sort(byId);
    assertEquals(named, chats.map(({ id, title }) => ({ id, title })).sort(byId));
    const times = listed.map(({ updated_at }) => updated_at);
    assertEquals(times, times.toSorted().reverse());
  }

  toString = () => "List";
}

class Restart implements Command {
  check = () => true;

  async run({ chats }: Model, world: World): Promise<void> {
    const waiting = chats.flatMap(({ queue }) =>
      queue.map(({ model }) => world.clients.get(model)!)
    );
    for (const chat of chats) if (chat.live) chat.end("stopped");
    await world.restart();
    for (const client of waiting) {
      assertEquals(await client.reader?.rest() ?? "", "");
      client.reader = undefined;
    }
    for (const chat of chats) await settle(world, chat);
  }

  toString = () => "Restart";
}

const pick = fc.nat({ max: 11 });
const plan = fc.record({
  deltas: fc.nat({ max: 3 }),
  ending: fc.constantFrom("finish", "finish", "finish", "error", "cut", "end"),
}) as fc.Arbitrary<Plan>;
const busy = fc.constantFrom<Busy>("reject", "queue", "queue", "interrupt");
const what = fc.constantFrom<Send["what"]>("new", "new", "new", "edit", "again", "answer");
const send = fc.tuple(pick, what, busy, fc.constantFrom(...DIALECTS), plan)
  .map((args) => new Send(...args));
const proceed = pick.map((pick) => new Proceed(pick));
const stops = fc.constantFrom<Stop["which"]>("any", "right", "stale", "waiting");
const onStop = fc.constantFrom<Stop["on"]>("hold", "go_on", undefined);

/** The commands, those that move a chat on more often than the others. */
export const COMMANDS: fc.Arbitrary<Command>[] = [
  ...Array.from({ length: 6 }, () => send),
  ...Array.from({ length: 8 }, () => proceed),
  fc.tuple(pick, stops, onStop).map((args) => new Stop(...args)),
  pick.map((place) => new Continue(place)),
  fc.tuple(pick, fc.nat({ max: 12 })).map((args) => new Resume(...args)),
  pick.map((pick) => new Repeat(pick)),
  pick.map((pick) => new Cancel(pick)),
  pick.map((pick) => new Rename(pick)),
  pick.map((pick) => new Delete(pick)),
  fc.constant(null).map(() => new Create()),
  fc.constant(null).map(() => new List()),
  fc.constant(null).map(() => new Restart()),
];
