/** How much begins at once: of what one user sends, and of what a former process left. */
import { assert, assertEquals } from "@std/assert";
import { type ParleyProcess, spawnParley } from "../kit/process.ts";
import { gate, type ScriptedProvider, startProvider } from "../kit/provider/provider.ts";
import { providerEnv } from "../kit/scripted.ts";
import { rowsOf } from "../runs/many_kit.ts";
import { memoryOf, SLACK, slownessOf, startStage, waitOf } from "./kit.ts";
import { chatId, leave, type Leftovers, MALLORY_SECRET } from "./leftovers.ts";

/** How long a start may take until it listens, and how long it may hold up others, in milliseconds. */
const LISTENS = 2_000;
const STALL = 50;

/** How much a start may grow, in MiB: 64, and the 16 that any process does in its first seconds. */
const GROWTH = 80;

/** How often a start is tried: a busy machine only adds to what one costs. */
const TRIES = 3;

/** How long a start is watched, in milliseconds. */
const WATCHED = 2_000;

/** How long a process loads what asks models for the first time, whatever waits, in milliseconds. */
const COLD = 400;

Deno.test("one user's answers are bounded, left or not, and so are waiting messages", async () => {
  const held = gate();
  let [asked, ended] = [0, 0];
  await using stage = await startStage();
  stage.provider.script((request) => {
    asked++;
    request.ended.then(() => ended++);
    return { steps: [{ text: "o" }, { wait: held }] };
  });
  const chats = await Promise.all(Array.from({ length: 150 }, () => stage.newChat()));
  const counted = async (extra = {}) => {
    const statuses: Record<number, number> = {};
    for (const chat of chats) {
      const response = await stage.send(chat, crypto.randomUUID(), extra);
      await response.body?.cancel();
      statuses[response.status] = (statuses[response.status] ?? 0) + 1;
    }
    return statuses;
  };
  await stage.survive("answers of one user, left and asked for again", async (round) => {
    const statuses = await counted();
    if (round === 1) assertEquals(statuses, { 200: 100, 429: 50 });
    // Those that are live are answered to by 409, and no other has a place.
    assertEquals(await counted(), { 409: 100, 429: 50 });
    assert(asked - ended <= 100, `${asked - ended} answers at once`);
  });
  await stage.survive("waiting messages of one user", async (round) => {
    let taken = 0;
    for (let n = 0; n < 12; n++) taken += (await counted({ busy: "queue" }))[200] ?? 0;
    if (round === 1) assertEquals(taken, 1_000);
    assert(asked - ended <= 100, `${asked - ended} answers at once`);
  });
  held.open();
});

/** A log of so many bytes, in rows of 2,000 events. */
function* longLog(bytes: number): Generator<string> {
  const event = { type: "text-delta", id: "0", text: "x".repeat(20) };
  const row = JSON.stringify(Array.from({ length: 2_000 }, () => event));
  for (let length = 0; length < bytes; length += row.length) yield row;
}

function deepCall(depth: number): string[] {
  const input = `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;
  return [`[{"type":"tool-input","toolCallId":"c","toolName":"t","input":${input}}]`];
}

function largeEvent(bytes: number): string[] {
  return [`[{"type":"text-delta","id":"0","text":"${"x".repeat(bytes)}"}]`];
}

const STATES: Readonly<Record<string, () => Leftovers>> = {
  "5,000 runs": () => ({ runs: 5_000 }),
  "a queue of 100,000": () => ({ queued: { chats: 5_000, each: 20 } }),
  "a queue in 100,000 chats": () => ({ queued: { chats: 100_000, each: 1 } }),
  "a log of 60 MB, deep calls and an event of 10 MB": () => ({
    logs: [longLog(60_000_000), deepCall(5_000), deepCall(100_000), largeEvent(10_000_000)],
  }),
};

for (const [name, state] of Object.entries(STATES)) {
  Deno.test(`a start after ${name}`, async () => {
    const held = gate();
    const longest = STALL * slownessOf() * SLACK;
    let [live, most] = [0, 0];
    await using provider = await startProvider({ record: false });
    provider.script((request) => {
      most = Math.max(most, ++live);
      request.ended.then(() => live--);
      return { steps: [{ text: "ok" }, { wait: held }] };
    });
    for (let round = 1;; round++) {
      const dataDir = await Deno.makeTempDir({ prefix: "parley-left-" });
      try {
        const left = await leave(dataDir, state());
        const begun = performance.now();
        await using parley = await start(dataDir, provider);
        const listens = Math.round(performance.now() - begun);
        const before = memoryOf(parley.pid);
        // The last in the order of recovery: whoever asks for it finds it recovered.
        const asking = left.live > 0 ? isRecovered(parley, left.live - 1) : undefined;
        const [{ stall, memory }] = await Promise.all([watch(parley, WATCHED), asking]);
        const grown = Math.round(memory - before);
        const text =
          `${name}: listens after ${listens} ms, stall ${stall} ms, memory +${grown} MiB, ` +
          `${most} requests at once`;
        // deno-lint-ignore no-console -- the figures that CI keeps
        console.log(text);
        assert(grown <= GROWTH * SLACK && most <= 100, text);
        if (left.queued > 0) {
          assert(most > 0, text);
          const [row] = await rowsOf(dataDir, "SELECT count(*) AS n FROM queue");
          assert(Number(row!.n) >= left.queued - 100 - most, "messages are gone");
        }
        if (listens <= LISTENS * SLACK && stall <= longest) break;
        assert(round < TRIES, text);
      } finally {
        await Deno.remove(dataDir, { recursive: true });
      }
    }
    held.open();
  });
}

async function start(dataDir: string, provider: ScriptedProvider): Promise<ParleyProcess> {
  return await spawnParley({
    dataDir,
    env: {
      PARLEY_TOKENS: `mallory=${MALLORY_SECRET}`,
      PARLEY_LOG_LEVEL: "error",
      ...providerEnv(provider),
    },
  });
}

async function isRecovered(parley: ParleyProcess, n: number): Promise<void> {
  const response = await fetch(`${parley.url}/api/v2/chats/${chatId(n)}/messages`, {
    headers: { "coder-session-token": MALLORY_SECRET },
  });
  const history = await response.json();
  assertEquals(history.map(({ role }: { role: string }) => role), ["user", "assistant"]);
}

/** The longest that `/healthz` waits, and the most memory, for some time. */
async function watch({ url, pid }: ParleyProcess, ms: number) {
  const begun = performance.now();
  let [stall, memory] = [0, 0];
  for (let asked = begun; asked - begun < ms; asked = performance.now()) {
    const waited = waitOf(pid);
    await (await fetch(`${url}/healthz`)).text();
    if (asked - begun > COLD) stall = Math.max(stall, waited());
    memory = Math.max(memory, memoryOf(pid));
    await new Promise((done) => setTimeout(done, 20));
  }
  return { stall: Math.round(stall), memory };
}
