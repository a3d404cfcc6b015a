/** P1, P3, P4 and P5 under `kill -9`, round after round on one data folder. */
import { assert, assertEquals } from "@std/assert";
import { KillLoop, type Sent } from "./kill_loop.ts";
import { countOf, pass, type Random, seeded } from "../kit/random.ts";
import { saidBy, wholeParts, Witness } from "./witness.ts";

const ROUNDS = countOf("PARLEY_KILL_ROUNDS", 50);

/** How many rounds the same chats are used in. */
const CHATS_LIVE = 8;

/** How many sends race a kill. */
const RACERS = 8;

Deno.test("kill -9 while answers stream loses nothing that anyone saw", () =>
  seeded(async (random) => {
    await using loop = await KillLoop.start(random);
    let chats: string[] = [];
    let cut = 0;
    for (let round = 0; round < ROUNDS; round++) {
      if (round % CHATS_LIVE === 0) chats = await newChats(loop, 4);
      const sent = await Promise.all(chats.map((chat) => loop.send(chat)));
      for (const { status } of sent) assertEquals(status, 200, "a chat takes a new message");
      for (const message of sent) if (random.chance(0.3)) await loop.join(message);
      await loop.morePieces(random.below(80), sent);
      await pass(random.below(12));
      await loop.kill();
      cut += await brokenOff(sent);
      if (random.chance(0.1)) await loop.killStarting(random.between(150, 450));
      await loop.restart();
      await loop.check(sent);
    }
    assert(cut >= ROUNDS, `kills must cut answers off: ${cut} in ${ROUNDS} rounds`);
  }));

Deno.test("what was acknowledged is kept where sends race a kill, and a repeat finds it", () =>
  seeded(async (random) => {
    const rounds = Math.ceil(ROUNDS / 3);
    await using loop = await KillLoop.start(random);
    let acknowledged = 0;
    for (let round = 0; round < rounds; round++) {
      const chats = await newChats(loop, RACERS);
      const sending = chats.map(async (chat) => {
        await pass(random.below(150));
        return await loop.send(chat);
      });
      await settled(sending, random.below(RACERS));
      await pass(random.below(6));
      await loop.kill();
      const sent = await Promise.all(sending);
      await brokenOff(sent);
      await loop.restart();
      await loop.check(sent);
      acknowledged += sent.filter(({ status }) => status === 200).length;
      await repeat(loop, sent);
    }
    const all = rounds * RACERS;
    assert(acknowledged > 0 && acknowledged < all, `${acknowledged} of ${all} acknowledged`);
  }));

Deno.test("an answer that another process goes on with is one stream over the kill", () =>
  seeded(async (random) => {
    const rounds = Math.ceil(ROUNDS / 10);
    await using loop = await KillLoop.start(random, { PARLEY_ON_INTERRUPT: "continue" });
    for (let round = 0; round < rounds; round++) {
      const chats = await newChats(loop, 3);
      const sent = await Promise.all(chats.map((chat) => loop.send(chat, speech(random))));
      // What has said nothing yet cannot be gone on with.
      await Promise.all(sent.map(({ witnesses: [first] }) => first!.piece("\n0:")));
      for (let kills = random.between(1, 2); kills > 0; kills--) {
        await loop.morePieces(random.between(1, 60), sent);
        await loop.kill();
        await brokenOff(sent);
        await loop.restart();
        for (const message of sent) await loop.join(message);
      }
      for (const message of sent) {
        // Joins the run that goes on, and so waits for its end.
        const replayed = await loop.replay(message);
        const { text, end } = saidBy(wholeParts(replayed));
        // Killed between its last piece and its end, it has nothing to go on with.
        if (!LAST_PIECE.test(text)) assertEquals(end, "stop");
      }
      await loop.check(sent);
    }
  }));

/** Resolves once so many of the promises have. */
function settled(promises: readonly Promise<unknown>[], count: number): Promise<void> {
  return new Promise((resolve) => {
    let left = count;
    if (left === 0) resolve();
    for (const promise of promises) promise.then(() => --left === 0 && resolve());
  });
}

/** Chats of which half are named by a model, which a kill may meet too. */
function newChats(loop: KillLoop, count: number): Promise<string[]> {
  const bodies = Array.from({ length: count }, (_, n) => n % 2 === 0 ? { title: "A chat" } : {});
  return Promise.all(bodies.map((body) => loop.newChat(body)));
}

const LAST_PIECE = /39 é?$/;

/** An answer of text alone, which Anthropic's models can go on with. */
function speech(random: Random) {
  const steps = Array.from({ length: 40 }, (_, n) => [
    { delay: random.next() * 6 },
    { text: `${n} ${random.chance(0.5) ? "" : "é"}` },
  ]);
  return { model: "claude" as const, steps: steps.flat() };
}

/** Waits until every client has noticed; resolves to how many answers were cut off. */
async function brokenOff(sent: readonly Sent[]): Promise<number> {
  let broken = 0;
  for (const { witnesses } of sent) {
    const ends = await Promise.all(witnesses.map(({ over }) => over));
    if (ends.includes("broken")) broken++;
  }
  return broken;
}

/** Sends all of it once more: what is known is joined, what is not is answered, none twice. */
async function repeat(loop: KillLoop, sent: readonly Sent[]): Promise<void> {
  await Promise.all(sent.map(async (message) => {
    const response = await loop.post(message);
    assertEquals(response?.status, 200, "a repeated send is taken");
    const again = new Witness(response!);
    assertEquals(await again.over, "ended");
    const [before] = message.witnesses;
    if (before) assertEquals(again.runId, before.runId, "a repeated send joins its run");
    message.status = 200;
    message.witnesses.push(again);
  }));
  await loop.check(sent);
}
