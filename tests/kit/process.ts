/** Parley as a real process, for what only a process can show: signals, files, startup and exit. */
import { resolve } from "node:path";
import { V8_FLAGS } from "../../src/build/v8.ts";

const ROOT = new URL("../..", import.meta.url).pathname;

/** How long a start may take, in milliseconds. */
const START_LIMIT = 30_000;

/** How long a command that exits by itself may take, in milliseconds. */
const RUN_LIMIT = 60_000;

/** How to start a process. */
export interface ProcessOptions {
  /** Arguments after the command; a flag here overrides the kit's own. */
  args?: string[];
  /** Overrides the environment of the test, from which settings and keys are removed. */
  env?: Record<string, string>;
  /** The program and its first arguments, instead of `parleyCommand()`. */
  command?: string[];
}

/** How to start a server. */
export interface ServerOptions extends ProcessOptions {
  /** A data folder to reuse; the test must then remove it. */
  dataDir?: string;
}

/** A server in its own process. */
export interface ParleyProcess extends AsyncDisposable {
  /** The address after "Parley listens on": `http://127.0.0.1:PORT` or `unix:PATH`. */
  url: string;
  pid: number;
  dataDir: string;
  /** Standard error so far. */
  readonly stderr: string;
  /** Standard output so far. */
  readonly stdout: string;
  signal(name: Deno.Signal): void;
  /** Resolves to the exit code when the process ends; for a signal, 128 plus its number. */
  exit: Promise<number>;
}

/** How a command ended. */
export interface Finished {
  code: number;
  stdout: string;
  stderr: string;
}

/** The program under test: the binary named by `PARLEY_BIN`, or else the source. */
export function parleyCommand(): string[] {
  const binary = Deno.env.get("PARLEY_BIN");
  if (binary) return [resolve(binary)];
  const source = ["--config", `${ROOT}deno.json`, `${ROOT}main.ts`];
  return [Deno.execPath(), "run", "-A", V8_FLAGS, ...source];
}

/** Runs a Parley command that exits by itself. */
export async function runParley(options: ProcessOptions): Promise<Finished> {
  const { code, stdout, stderr } = await command(options, {
    stdin: "null",
    signal: AbortSignal.timeout(RUN_LIMIT),
  }).output();
  const decoder = new TextDecoder();
  return { code, stdout: decoder.decode(stdout), stderr: decoder.decode(stderr) };
}

/**
 * Starts `parley serve` on a free port with its own data folder. Resolves when it listens.
 * @throws {Error} with its output, if it exits or stays silent instead.
 */
export async function spawnParley(options: ServerOptions = {}): Promise<ParleyProcess> {
  const dataDir = options.dataDir ?? await Deno.makeTempDir({ prefix: "parley-e2e-" });
  const args = ["serve", "--data", dataDir, "--listen", "127.0.0.1:0", ...options.args ?? []];
  const child = command({ ...options, args }, {
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const written = { stdout: "", stderr: "" };
  const listening = Promise.withResolvers<string>();
  const reading = Promise.all([
    readText(child.stdout, (text) => {
      written.stdout += text;
      const [, url] = /^Parley listens on (\S+)\n/m.exec(written.stdout) ?? [];
      if (url) listening.resolve(url);
    }),
    readText(child.stderr, (text) => written.stderr += text),
  ]);
  const exit = Promise.all([child.status, reading]).then(([status]) => status.code);
  exit.then((code) => listening.reject(new Error(`Parley ended with ${code}:\n${written.stderr}`)));
  const timer = setTimeout(() => child.kill("SIGKILL"), START_LIMIT);

  const end = async () => {
    try {
      child.kill("SIGKILL");
    } catch {
      // Already ended.
    }
    await exit;
    if (options.dataDir === undefined) await Deno.remove(dataDir, { recursive: true });
  };
  try {
    const url = await listening.promise;
    return {
      url,
      pid: child.pid,
      dataDir,
      get stderr() {
        return written.stderr;
      },
      get stdout() {
        return written.stdout;
      },
      signal: (name) => child.kill(name),
      exit,
      [Symbol.asyncDispose]: end,
    };
  } catch (error) {
    await end();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

function command(
  { args = [], env = {}, command = parleyCommand() }: ProcessOptions,
  options: Deno.CommandOptions,
): Deno.Command {
  const [program = "", ...first] = command;
  return new Deno.Command(program, {
    args: [...first, ...args],
    clearEnv: true,
    env: { ...cleanEnv(), NO_COLOR: "1", ...env },
    ...options,
  });
}

/** The environment without Parley's settings: tests must not use a developer's keys. */
export function cleanEnv(): Record<string, string> {
  const settings = /^(PARLEY|CODER|OPENAI|ANTHROPIC|GOOGLE)_/;
  return Object.fromEntries(
    Object.entries(Deno.env.toObject()).filter(([name]) => !settings.test(name)),
  );
}

async function readText(
  stream: ReadableStream<Uint8Array>,
  take: (text: string) => void,
): Promise<void> {
  const decoder = new TextDecoder();
  for await (const chunk of stream) take(decoder.decode(chunk, { stream: true }));
}
