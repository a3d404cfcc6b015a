/** A program in a process group of its own, which ends as a whole. */
import type { Clock } from "../../domain/clock.ts";
import { settlesWithin } from "../../domain/clock.ts";
import type { McpProgram } from "../../domain/mcp.ts";
import { inherited } from "../environment.ts";

/** How long a group has to end by itself, in milliseconds. */
const GRACE = 2_000;

/** How much is kept of what it says on standard error, in bytes: no more than a mask keeps. */
const TAIL = 3_600;

/** Starts the program. @throws {Error} in words for people if that cannot be done. */
export function startChild(
  program: McpProgram,
  environment: Readonly<Record<string, string | undefined>>,
  clock: Clock,
): Child {
  const env = { ...inherited(environment), ...program.env };
  try {
    const process = new Deno.Command(program.command, {
      args: program.args,
      env,
      clearEnv: true,
      ...(program.cwd !== undefined && { cwd: program.cwd }),
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
      // A session of its own, and so a group.
      detached: true,
    }).spawn();
    return new Child(process, clock);
  } catch (error) {
    throw new Error(whyNotStarted(program, error), { cause: error });
  }
}

function whyNotStarted({ command, cwd }: McpProgram, error: unknown): string {
  const start = `cannot be started: the program ${command}`;
  if (cwd !== undefined && !isFolder(cwd)) return `cannot be started: there is no folder ${cwd}`;
  if (error instanceof Deno.errors.NotFound) return `${start} was not found`;
  if (error instanceof Deno.errors.PermissionDenied) return `${start} may not be run`;
  return `${start} failed to start (${(error as Error).message})`;
}

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

/** A running program. */
export class Child {
  /** Resolves once nothing more comes on standard error. */
  readonly silent: Promise<void>;
  #said: Uint8Array = new Uint8Array();
  #ending: Promise<void> | undefined;

  constructor(
    private readonly process: Deno.ChildProcess,
    private readonly clock: Clock,
  ) {
    this.silent = this.#keepTail();
  }

  get pid(): number {
    return this.process.pid;
  }

  get stdin(): WritableStream<Uint8Array> {
    return this.process.stdin;
  }

  get stdout(): ReadableStream<Uint8Array> {
    return this.process.stdout;
  }

  /** Resolves to how it ended, in words. */
  async ended(): Promise<string> {
    const { code, signal } = await this.process.status;
    return signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
  }

  /** The end of what it said on standard error. */
  get said(): string {
    const text = new TextDecoder().decode(this.#said);
    // Half a secret would not be recognized.
    return (this.#said.length < TAIL ? text : text.replace(/^[^\n]*\n|^\S*/, "")).trim();
  }

  /** Ends the group: asks it to, and kills what is left of it. */
  end(stdoutEnded: Promise<unknown>): Promise<void> {
    return this.#ending ??= this.#end(stdoutEnded);
  }

  async #end(stdoutEnded: Promise<unknown>): Promise<void> {
    this.#signal("SIGTERM");
    // Its children hold its pipes: once these are closed too, all of the group has ended.
    const all = Promise.allSettled([this.process.status, stdoutEnded, this.silent]);
    await settlesWithin(all, GRACE, this.clock);
    this.#signal("SIGKILL");
    await this.process.status;
  }

  #signal(signal: Deno.Signal): void {
    try {
      Deno.kill(-this.pid, signal);
    } catch {
      // All of it has ended.
    }
  }

  async #keepTail(): Promise<void> {
    try {
      for await (const piece of this.process.stderr) {
        const both = new Uint8Array(this.#said.length + Math.min(piece.length, TAIL));
        both.set(this.#said);
        both.set(piece.subarray(-TAIL), this.#said.length);
        this.#said = both.slice(-TAIL);
      }
    } catch {
      // Nobody says any more.
    }
  }
}
