/**
 * What an attack costs everybody else: Parley as a process of its own, twenty ordinary users, a probe that
 * asks for `/healthz` every 20 ms, and the memory of the process, all measured while the attack runs.
 *
 *     await using stage = await startStage({ env: { PARLEY_LIMIT_STREAMS: "50" } });
 *     await stage.survive("half heads", async () => { … });
 *
 * Attackers are `TOKENS.mallory` and `TOKENS.oscar`; the scripted provider serves the model `scripted`.
 */
import { assert } from "@std/assert";
import { type ParleyProcess, type ServerOptions, spawnParley } from "../kit/process.ts";
import { type ScriptedProvider, startProvider } from "../kit/provider/provider.ts";
import { providerEnv } from "../kit/scripted.ts";
import { type Ask, askAt } from "../kit/ask.ts";
import { countOf } from "../kit/random.ts";
import type { Figures, Order } from "./witness_worker.ts";

/** The tokens of the attackers. */
export const TOKENS = { mallory: "mallory-secret", oscar: "oscar-secret" };

const USERS = Object.fromEntries(
  Array.from({ length: 20 }, (_, n) => [`user${n}`, `user${n}-secret`]),
);

/** What an attack may cost. */
export interface Bounds {
  /** The longest that `/healthz` waits, in milliseconds. */
  stallMs: number;
  /** How much the resident memory grows at its peak, in MiB. */
  grownMiB: number;
  /** How much later the ordinary users are served at p99 than before the attack, in milliseconds. */
  addedMs: number;
}

const BOUNDS: Bounds = { stallMs: 50, grownMiB: 64, addedMs: 50 };

/**
 * How many times its bounds an attack may cost: more than once on a machine that others share, where the
 * figures still show what has no bound at all.
 */
export const SLACK = countOf("PARLEY_HOSTILE_SLACK", 1);

/** What `fixedWork` takes on the machine that the bounds are meant for, in milliseconds. */
const WORK = 12;

/** How often an attack is tried: a busy machine only adds to what one costs. */
const TRIES = 3;

/** How long a process warms up, users are watched before an attack, and after it, in milliseconds. */
const WARM_UP = 4_000;
const CALM = 1_500;
const AFTERMATH = 300;

/** Parley under attack. */
export interface Stage extends AsyncDisposable {
  parley: ParleyProcess;
  provider: ScriptedProvider;
  url: string;
  /** A request as mallory, or with another token; a body other than a string or bytes is sent as JSON. */
  ask: Ask;
  /** Creates a chat with a title and returns its id. */
  newChat(token?: string): Promise<string>;
  /** Sends a text to the model `scripted`; extra fields are added to the body. */
  send(chat: string, text: string, extra?: Record<string, unknown>): Promise<Response>;
  /** The resident memory of the process, in MiB. */
  memory(): number;
  /**
   * Runs an attack beside the users; fails if it costs more than the bounds. Time is judged by the best of
   * three tries, memory by the worst. The attack gets the number of the try.
   */
  survive(
    name: string,
    attack: (round: number) => Promise<unknown>,
    bounds?: Partial<Bounds>,
  ): Promise<void>;
}

/** Starts Parley with attackers and users, and the witness of what they go through. */
export async function startStage(options: ServerOptions = {}): Promise<Stage> {
  const slowness = slownessOf();
  const provider = await startProvider({ record: false });
  const parley = await spawnParley({
    ...options,
    env: {
      PARLEY_TOKENS: Object.entries({ ...USERS, ...TOKENS }).map((pair) => pair.join("=")).join(
        ",",
      ),
      PARLEY_LOG_LEVEL: "error",
      PARLEY_AI_PROVIDER_3_TYPE: "demo",
      ...providerEnv(provider),
      ...options.env,
    },
  });
  const { url, pid } = parley;
  const witness = new Witness();
  await witness.start({ url, pid, tokens: Object.values(USERS) });
  const ask = askAt(url, TOKENS.mallory);
  return {
    parley,
    provider,
    url,
    ask,
    async newChat(token) {
      const options = { body: { title: "A chat" }, ...(token && { token }) };
      return (await (await ask("POST", "/api/v2/chats", options)).json()).id;
    },
    send: (chat, text, extra = {}) =>
      ask("POST", `/api/v2/chats/${chat}/messages`, {
        body: { message: { role: "user", content: text }, model: "scripted", ...extra },
      }),
    memory: () => memoryOf(pid),
    async survive(name, attack, bounds = {}) {
      const limits = { ...BOUNDS, ...bounds };
      limits.stallMs *= slowness * SLACK;
      limits.addedMs *= slowness * SLACK;
      limits.grownMiB *= SLACK;
      let memoryBefore: number | undefined;
      for (let round = 1;; round++) {
        const calm = await witness.watch(() => pause(CALM));
        memoryBefore ??= calm.memory;
        const during = await witness.watch(async () => {
          await attack(round);
          await pause(AFTERMATH);
        });
        const cost: Bounds = {
          stallMs: Math.round(during.stall),
          grownMiB: Math.round(during.memory - memoryBefore),
          addedMs: Math.round(during.p99 - calm.p99),
        };
        const text = `${name}: stall ${cost.stallMs} ms, memory ${signed(cost.grownMiB)} MiB, ` +
          `p99 of ${during.served} requests ${signed(cost.addedMs)} ms` +
          (slowness > 1 ? ` on a machine ${slowness.toFixed(1)} times as slow` : "");
        // deno-lint-ignore no-console -- the figures that CI keeps
        console.log(text);
        assert(cost.grownMiB <= limits.grownMiB, text);
        if (cost.stallMs <= limits.stallMs && cost.addedMs <= limits.addedMs) return;
        assert(round < TRIES, text);
      }
    },
    async [Symbol.asyncDispose]() {
      witness.close();
      await parley[Symbol.asyncDispose]();
      await provider.close();
    },
  };
}

/** How many times as long as on the machine that the bounds are meant for work takes, at least 1. */
export function slownessOf(): number {
  const times = Array.from({ length: 15 }, () => {
    const begun = performance.now();
    fixedWork();
    return performance.now() - begun;
  });
  return Math.max(1, Math.min(...times) / WORK);
}

/** Work that allocates nothing, so that it takes as long whatever this process did before. */
function fixedWork(): void {
  const sums = new Uint32Array(65_536);
  for (let at = 0, sum = 1; at < 8_000_000; at++) {
    sum = Math.imul(sum ^ at, 0x01000193);
    sums[sum & 0xffff] = sum;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}

function signed(number: number): string {
  return number < 0 ? `${number}` : `+${number}`;
}

/** The resident memory of a process, in MiB. */
export function memoryOf(pid: number): number {
  const [, resident = "0"] = Deno.readTextFileSync(`/proc/${pid}/statm`).split(" ");
  return Number(resident) * 4 / 1024;
}

/**
 * Begins to measure a wait for the process, in milliseconds. Time in which its main thread, or this one, was
 * ready but had no core does not count: attackers, users and the provider run on the same machine.
 */
export function waitOf(pid: number): () => number {
  const threads = [`/proc/${pid}/task/${pid}/schedstat`, "/proc/thread-self/schedstat"];
  const begun = performance.now();
  const before = threads.map(runDelay);
  return () => {
    const elapsed = performance.now() - begun;
    const delays = threads.map((thread, index) => runDelay(thread) - before[index]!);
    return Math.max(0, elapsed - Math.max(...delays));
  };
}

/** How long a thread has waited for a core since it began, in milliseconds. */
function runDelay(path: string): number {
  const [, waited = "0"] = Deno.readTextFileSync(path).split(" ");
  return Number(waited) / 1e6;
}

/** Watches from a thread of its own, which an attack in this one does not hold up. */
class Witness {
  readonly #worker = new Worker(new URL("witness_worker.ts", import.meta.url), { type: "module" });

  /** Resolves when all users are being served and what a process allocates at first is there. */
  async start(order: Order): Promise<void> {
    await this.#ask(order);
    await pause(WARM_UP);
  }

  /** What users go through until the promise ends. */
  async watch(until: () => Promise<unknown>): Promise<Figures> {
    this.#worker.postMessage("begin");
    await until();
    return await this.#ask("end") as Figures;
  }

  #ask(message: Order | "end"): Promise<unknown> {
    const answer = new Promise((resolve) => this.#worker.onmessage = ({ data }) => resolve(data));
    this.#worker.postMessage(message);
    return answer;
  }

  close(): void {
    this.#worker.terminate();
  }
}
