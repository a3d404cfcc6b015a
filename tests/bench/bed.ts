/** The test bed of the benchmarks: servers under load, and the scripted provider, each in its own process. */
import { V8_FLAGS } from "../../src/build/v8.ts";
import { TOKENS } from "../kit/parley.ts";
import { type OnDeltas, readStream } from "./reader.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
/** The headers of requests to a server. */
export const HEADERS = { "coder-session-token": TOKENS.alice, "content-type": "application/json" };

/** The scripted provider's plan: how many deltas a model sends, and how fast. */
export interface Plan {
  deltas: number;
  delayMs?: number;
  perWrite?: number;
  size?: number;
}

/** A server of the seed's API under load: Parley, or what it is compared with. */
export class Subject implements AsyncDisposable {
  constructor(
    readonly name: string,
    private readonly process: Process,
    private readonly onEnd: () => Promise<void> = () => Promise.resolve(),
  ) {}

  get pid(): number {
    return this.process.pid;
  }

  get url(): string {
    return this.process.url;
  }

  /** Creates a chat and returns its id. */
  async newChat(body: object = { title: "Bench" }): Promise<string> {
    const url = `${this.url}/api/v2/chats`;
    const init = { method: "POST", headers: HEADERS, body: JSON.stringify(body) };
    return (await (await fetch(url, init)).json()).id;
  }

  /** Sends a message that the provider answers by the plan; resolves to the number of deltas. */
  ask(chat: string, plan: Plan, onDeltas?: OnDeltas, model = "scripted"): Promise<number> {
    const body = { message: { role: "user", content: JSON.stringify(plan) }, model };
    const url = `${this.url}/api/v2/chats/${chat}/messages`;
    return readStream(url, { headers: HEADERS, body }, onDeltas);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.process.end();
    await this.onEnd();
  }
}

/** Parley, with its data folder. */
export class ParleySubject extends Subject {
  constructor(process: Process, readonly dataDir: string) {
    super("Parley", process, () => Deno.remove(dataDir, { recursive: true }));
  }
}

/** The scripted provider. */
export interface Provider extends AsyncDisposable {
  url: string;
  pid: number;
  /** Asks it directly, with a history before the plan: the upper limit. */
  ask(plan: Plan, onDeltas?: OnDeltas, history?: object[]): Promise<number>;
}

/** Starts the scripted provider. */
export async function startProvider(): Promise<Provider> {
  const process = await startDeno(["tests/kit/provider/main.ts", "--port", "0"]);
  const { url, pid } = process;
  return {
    url,
    pid,
    ask: (plan, onDeltas, history = []) =>
      readStream(`${url}/v1/chat/completions`, {
        headers: { "content-type": "application/json" },
        body: {
          model: "scripted",
          stream: true,
          stream_options: { include_usage: true },
          messages: [...history, { role: "user", content: JSON.stringify(plan) }],
        },
      }, onDeltas),
    [Symbol.asyncDispose]: () => process.end(),
  };
}

/** Starts Parley. With `log: false` it keeps no log of runs, to measure the cost of the log. */
export async function startParley(
  provider: Pick<Provider, "url">,
  options: { log?: boolean } = {},
): Promise<ParleySubject> {
  const dataDir = await Deno.makeTempDir({ prefix: "parley-bench-" });
  const process = await startDeno(["tests/bench/server.ts", dataDir], {
    ...providers(provider),
    BENCH_LOG: options.log === false ? "off" : "on",
  });
  return new ParleySubject(process, dataDir);
}

/** Starts a Parley that was compiled. */
export async function startBinary(
  program: string,
  provider: Pick<Provider, "url">,
): Promise<ParleySubject> {
  const dataDir = await Deno.makeTempDir({ prefix: "parley-bench-" });
  const args = ["serve", "--data", dataDir, "--listen", "127.0.0.1:0"];
  const env = {
    ...providers(provider),
    PARLEY_TOKENS: `alice=${TOKENS.alice}`,
    PARLEY_LOG_FORMAT: "json",
  };
  return new ParleySubject(await start(program, args, env), dataDir);
}

function providers({ url }: Pick<Provider, "url">): Record<string, string> {
  return {
    PARLEY_AI_PROVIDER_0_TYPE: "openai-compatible",
    PARLEY_AI_PROVIDER_0_BASE_URL: `${url}/v1`,
    PARLEY_AI_PROVIDER_0_MODELS: "scripted",
    PARLEY_AI_PROVIDER_1_TYPE: "demo",
  };
}

/** Starts the plain Go server of `peer/`. */
export async function startPeer(provider: Pick<Provider, "url">): Promise<Subject> {
  const program = await Deno.makeTempFile({ prefix: "parley-peer-" });
  const { success } = await new Deno.Command("go", {
    args: ["build", "-o", program, "."],
    cwd: `${ROOT}tests/bench/peer`,
  }).spawn().status;
  if (!success) throw new Error("the Go peer cannot be built: is Go there?");
  const process = await start(program, [provider.url], {});
  return new Subject("Go", process, () => Deno.remove(program));
}

/** Parley beside the provider. */
export interface Bed extends AsyncDisposable {
  parley: ParleySubject;
  provider: Provider;
}

/** Starts both. */
export async function makeBed(options: { log?: boolean } = {}): Promise<Bed> {
  const provider = await startProvider();
  const parley = await startParley(provider, options);
  return {
    parley,
    provider,
    async [Symbol.asyncDispose]() {
      await parley[Symbol.asyncDispose]();
      await provider[Symbol.asyncDispose]();
    },
  };
}

/** A server process that has said where it listens. */
interface Process {
  url: string;
  pid: number;
  end(): Promise<void>;
}

function startDeno(args: string[], env: Record<string, string> = {}): Promise<Process> {
  return start(Deno.execPath(), ["run", "-A", V8_FLAGS, ...args], env);
}

async function start(
  program: string,
  args: string[],
  env: Record<string, string>,
): Promise<Process> {
  const child = new Deno.Command(program, {
    args,
    cwd: ROOT,
    env: { ...env, PARLEY_LOG_LEVEL: "error" },
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
