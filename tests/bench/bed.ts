/** The test bed of the benchmarks: Parley, the scripted provider and a peer, each in its own process. */
import { V8_FLAGS } from "../../src/build/v8.ts";
import { TOKENS } from "../kit/parley.ts";
import { type OnDeltas, readStream } from "./reader.ts";

const ROOT = new URL("../..", import.meta.url).pathname;

/** A server under load. */
export interface Subject {
  url: string;
  pid: number;
}

/** The scripted provider's plan: how many deltas a model sends, and how fast. */
export interface Plan {
  deltas: number;
  delayMs?: number;
  perWrite?: number;
  size?: number;
}

/** The processes, which end with the benchmark. */
export interface Bed extends AsyncDisposable {
  parley: Subject;
  provider: Subject;
  dataDir: string;
  /** Creates a chat and returns its id. */
  newChat(body?: object): Promise<string>;
  /** Sends Parley a message that the provider answers by the plan; resolves to the number of deltas. */
  ask(chat: string, plan: Plan, onDeltas?: OnDeltas, model?: string): Promise<number>;
  /** Asks the provider through an app that only forwards its stream. */
  askPeer(plan: Plan, onDeltas?: OnDeltas): Promise<number>;
  /** Asks the provider directly, with a history before the plan: the upper limit. */
  askDirectly(plan: Plan, onDeltas?: OnDeltas, history?: object[]): Promise<number>;
}

/** Starts the processes. With `log: false` Parley keeps no log, to measure the cost of the log. */
export async function makeBed(options: { log?: boolean } = {}): Promise<Bed> {
  const provider = await start(["tests/kit/provider/main.ts", "--port", "0"], {});
  const peer = await start(["tests/bench/peer.ts", provider.url], {});
  const dataDir = await Deno.makeTempDir({ prefix: "parley-bench-" });
  const parley = await start(["tests/bench/server.ts", dataDir], {
    PARLEY_AI_PROVIDER_0_TYPE: "openai-compatible",
    PARLEY_AI_PROVIDER_0_BASE_URL: `${provider.url}/v1`,
    PARLEY_AI_PROVIDER_0_MODELS: "scripted",
    PARLEY_AI_PROVIDER_1_TYPE: "demo",
    BENCH_LOG: options.log === false ? "off" : "on",
  });
  const headers = { "coder-session-token": TOKENS.alice, "content-type": "application/json" };
  const chats = `${parley.url}/api/v2/chats`;
  return {
    parley,
    provider,
    dataDir,
    async newChat(body = { title: "Bench" }) {
      const made = await fetch(chats, { method: "POST", headers, body: JSON.stringify(body) });
      return (await made.json()).id;
    },
    ask: (chat, plan, onDeltas, model = "scripted") =>
      readStream(`${chats}/${chat}/messages`, {
        headers,
        body: {
          message: { role: "user", content: JSON.stringify(plan) },
          model,
        },
      }, onDeltas),
    askPeer: (plan, onDeltas) => askProvider(peer.url, plan, onDeltas),
    askDirectly: (plan, onDeltas, history) => askProvider(provider.url, plan, onDeltas, history),
    async [Symbol.asyncDispose]() {
      await parley.end();
      await peer.end();
      await provider.end();
      await Deno.remove(dataDir, { recursive: true });
    },
  };
}

function askProvider(
  url: string,
  plan: Plan,
  onDeltas?: OnDeltas,
  history: object[] = [],
): Promise<number> {
  return readStream(`${url}/v1/chat/completions`, {
    headers: { "content-type": "application/json" },
    body: {
      model: "scripted",
      stream: true,
      stream_options: { include_usage: true },
      messages: [...history, { role: "user", content: JSON.stringify(plan) }],
    },
  }, onDeltas);
}

async function start(args: string[], env: Record<string, string>) {
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", V8_FLAGS, ...args],
    cwd: ROOT,
    env: { ...env, PARLEY_LOG_LEVEL: "warn" },
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const { value = "" } = await reader.read();
  const url = /http:\S+/.exec(value)?.[0];
  if (!url) throw new Error(`no address in ${JSON.stringify(value)}`);
  return {
    url,
    pid: child.pid,
    async end() {
      child.kill("SIGTERM");
      await reader.cancel();
      await child.status;
    },
  };
}
