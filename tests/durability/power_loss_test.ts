/** P1 and P3 where the power fails: what only the system's cache had is gone. */
import { assert, assertEquals, assertGreaterOrEqual } from "@std/assert";
import type { StreamPart } from "../kit/data_stream.ts";
import { gate, lastUserText, type Step } from "../kit/provider/provider.ts";
import { type Scripted, startScripted } from "../kit/scripted.ts";
import { Disk, type Loss } from "./disk.ts";
import { countOf, pass, type Random, seeded } from "../kit/random.ts";
import { Stored } from "./stored.ts";
import { assertKept, assertSameBytes, saidBy, Witness } from "./witness.ts";

const IMAGES = countOf("PARLEY_IMAGES", 200);

/** How many images are taken of one data folder. */
const IMAGES_OF_ONE = 50;

/** How many images wait to be looked at before no more are taken. */
const WAITING = 4;

/** A server, the disk below it, and what its clients were promised. */
class World implements AsyncDisposable {
  /** Text of each acknowledged message, by id. */
  readonly acknowledged = new Map<string, string>();
  /** What clients saw of each answer of which they saw the end, by id. */
  readonly finished = new Map<string, StreamPart[]>();
  readonly losses: Loss[] = [];
  /** True once an image was found to lack something. */
  broken = false;
  #looked = Promise.resolve();
  #looking = 0;

  constructor(readonly scripted: Scripted, readonly disk: Disk, readonly random: Random) {}

  static async start(random: Random, slowness: () => Promise<void>): Promise<World> {
    const dataDir = await Deno.makeTempDir({ prefix: "parley-power-" });
    const disk = new Disk(dataDir, slowness);
    return new World(await startScripted({ dataDir }), disk, random);
  }

  /** Takes an image now, at its worst if need be, and looks at it in its own time. */
  lose(options: { worst?: true } = {}): void {
    if (this.#looking >= WAITING) return;
    this.#looking++;
    const folder = Deno.makeTempDirSync({ prefix: "parley-image-" });
    const fate = options.worst && "gone";
    const loss = this.disk.loseInto(folder, this.random, fate);
    this.losses.push(loss);
    const acknowledged = [...this.acknowledged];
    const finished = [...this.finished];
    this.#looked = this.#looked.then(async () => {
      await checkImage(folder, acknowledged, finished);
      await Deno.remove(folder, { recursive: true });
      this.#looking--;
    });
    this.#looked.catch(() => this.broken = true);
  }

  /** Resolves when every image was looked at; rejects where one lacks what was promised. */
  looked(): Promise<void> {
    return this.#looked;
  }

  /** Sends a message and reads its answer; `onMoment` is called whenever a client has got more. */
  async say(chat: string, id: string, onMoment = () => {}): Promise<Witness> {
    const text = `What belongs to ${id}?`;
    const message = { id, role: "user", content: text };
    const response = await this.scripted.send(chat, text, { message }, { "idempotency-key": id });
    assertEquals(response.status, 200);
    this.acknowledged.set(id, text);
    onMoment();
    return this.watch(response, onMoment);
  }

  watch(response: Response, onMoment = () => {}): Witness {
    const witness: Witness = new Witness(response, (chunk) => {
      // The finish is the last line of all, and lines come whole.
      if (/(^|\n)d:[^\n]*\n$/.test(new TextDecoder().decode(chunk))) {
        const { parts } = witness;
        this.finished.set(saidBy(parts).messageId!, parts);
      }
      onMoment();
    });
    return witness;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.scripted[Symbol.asyncDispose]();
    this.disk[Symbol.dispose]();
    await Deno.remove(this.disk.dataDir, { recursive: true });
  }
}

async function checkImage(
  folder: string,
  acknowledged: [string, string][],
  finished: [string, StreamPart[]][],
): Promise<void> {
  await using stored = await Stored.open(folder);
  await stored.checkIntegrity();
  const messages = await stored.messages();
  for (const [id, text] of acknowledged) {
    const [message] = messages.get(id) ?? [];
    assert(message, "a message was acknowledged and is not there");
    assertEquals(message.parts, [{ type: "text", text }]);
  }
  for (const [id, parts] of finished) {
    const [answer] = messages.get(id) ?? [];
    assertKept(parts, answer, { whole: true });
    // One that was stopped before it said anything is none.
    const status = saidBy(parts).end === "other" ? "stopped" : "completed";
    if (answer) assertEquals(answer.status, status);
  }
}

/** Answers long enough that the log is moved into the database now and then. */
function answer(random: Random): Step[] {
  return Array.from({ length: random.between(3, 25) }, (_, number) => [
    { delay: random.next() * 3 },
    { text: `${number} `.padEnd(random.between(10, 6_000), "abcdefgh") },
  ]).flat();
}

Deno.test("a power loss takes no acknowledged message and no finished answer", () =>
  seeded(async (random) => {
    const losses: Loss[] = [];
    while (losses.length < IMAGES) {
      await using world = await World.start(random, () => pass(random.below(8)));
      const { scripted, disk } = world;
      scripted.provider.script(() => ({ steps: answer(random) }));
      const wanted = Math.min(IMAGES_OF_ONE, IMAGES - losses.length);
      const onMoment = () => {
        if (world.losses.length < wanted && random.chance(0.08)) world.lose();
      };
      disk.onSync = onMoment;
      const talk = async () => {
        while (world.losses.length < wanted && !world.broken) {
          const chat = await scripted.chat();
          const id = crypto.randomUUID();
          const sends = [world.say(chat, id, onMoment)];
          // A client that is impatient sends again.
          if (random.chance(0.5)) sends.push(world.say(chat, id, onMoment));
          const witnesses = await Promise.all(sends);
          if (random.chance(0.2)) {
            const stop = `/api/v2/chats/${chat}/stop`;
            await (await scripted.server.ask("POST", stop, { body: {} })).body?.cancel();
          }
          for (const { over } of witnesses) assertEquals(await over, "ended");
        }
      };
      await Promise.all([1, 2, 3, 4, 5, 6].map(talk));
      await world.looked();
      losses.push(...world.losses);
    }
    const without = losses.filter(({ lost }) => lost > 0).length;
    assertGreaterOrEqual(without, IMAGES / 4, "images must have lost something");
    const restarted = losses.filter(({ generation }) => generation > 1).length;
    assertGreaterOrEqual(restarted, IMAGES / 20, "images must be of restarted logs too");
  }));

Deno.test("a repeated send is acknowledged no sooner than the message is on the disk", () =>
  seeded(async (random) => {
    await using world = await World.start(random, () => pass(50));
    const { scripted } = world;
    const chat = await scripted.chat();
    const id = crypto.randomUUID();
    const onMoment = () => world.lose({ worst: true });
    const sends = [world.say(chat, id, onMoment)];
    await scripted.provider.waitForRequests(1);
    sends.push(world.say(chat, id, onMoment), world.say(chat, id, onMoment));
    for (const { over } of await Promise.all(sends)) await over;
    await world.looked();
  }));

Deno.test("who reads a log from the database sees its end no sooner than it is on the disk", () =>
  seeded(async (random) => {
    const held = gate();
    const slow = gate();
    let slowness = Promise.resolve();
    await using world = await World.start(random, () => slowness);
    const { scripted, disk } = world;
    // More than a run keeps in memory.
    const steps = Array.from({ length: 40 }, (_, n) => ({ text: `${n} `.padEnd(10_000, "ab") }));
    const last = { text: "the last word" };
    scripted.provider.script(({ body }) => ({
      steps: lastUserText(body) === "" ? [] : [...steps, last, { wait: held }],
    }));
    const chat = await scripted.chat();
    const first = await world.say(chat, crypto.randomUUID());
    // Written with the ending it would wait for the disk with it.
    await first.piece(last.text);
    slowness = slow.opened;
    const ending = new Promise<void>((resolve) => disk.onSync = resolve);
    held.open();
    await ending;
    const path = `/api/v2/chats/${chat}/stream?run=${first.runId}&after=0`;
    const all = Promise.withResolvers<void>();
    const late: Witness = world.watch(await scripted.server.ask("GET", path), () => {
      if (saidBy(late.parts).text.endsWith(last.text)) all.resolve();
    });
    await all.promise;
    world.lose({ worst: true });
    slow.open();
    assertEquals(await late.over, "ended");
    assertEquals(await first.over, "ended");
    assertSameBytes(late.bytes, first.bytes);
    await world.looked();
  }));
