/** Starts commands, each in a session of its own and marked, and sees to it that all of it ends. */
import type { Clock } from "../../domain/clock.ts";
import { settlesWithin } from "../../domain/clock.ts";
import { endAll, killAll } from "./ending.ts";
import { type Kinship, MARK_VARIABLE, type Marks } from "./kin.ts";
import { threadsOfAll } from "./proc.ts";
import { Problem } from "./problem.ts";

/**
 * What a shell does before a command. It waits until the process has its limits. When memory is short, the
 * kernel ends a command before the server. What is made is for everybody who may enter the workspace.
 */
const PREPARATION = `IFS= read -r _; umask 022
{ echo 500 > /proc/self/oom_score_adj; } 2>/dev/null
exec </dev/null 2>&1; exec "$0" -c "$1"`;

const SHELLS = ["bash", "sh"];

/** A command has to fit into one argument of a program, in bytes. */
const MOST_BYTES = 128 * 1024 - 1;

/** How long output is waited for once everything that could write it has ended. */
const REST_MS = 800;

/** How many processes a command may have, and how often that is looked at, and what has ended let go of. */
const WATCH = { most: 500, everyMs: 50, reapEvery: 20 };

/** How a command ended. */
export interface Exit {
  code: number;
  signal: string | undefined;
  /** True if it was ended for having too many processes. */
  wasTooMany: boolean;
}

/** What commands need. */
export interface ShellOptions {
  folder: string;
  /** The whole environment of a command. */
  env: Readonly<Record<string, string>>;
  marks: Marks;
  clock: Clock;
}

/** Starts commands. */
export class Shell {
  readonly #options: ShellOptions;
  readonly #running = new Set<Running>();
  #isClosed = false;
  #watching: Promise<void> | undefined;

  constructor(options: ShellOptions) {
    this.#options = options;
  }

  /** @param take is given the output, and waited for. @throws {Problem} */
  async start(command: string, take: (bytes: Uint8Array) => Promise<void>): Promise<Running> {
    const { marks, clock } = this.#options;
    if (this.#isClosed) throw new Problem("Parley is shutting down");
    if (command.includes("\0")) throw new Problem("A command cannot have a NUL character");
    if (new TextEncoder().encode(command).length > MOST_BYTES) {
      throw new Problem("The command is too long: write a script first");
    }
    const token = crypto.randomUUID();
    // What the last command left may have been too young then.
    marks.reap();
    const child = this.#spawn(command, token);
    const running = new Running(child, marks.mark(child.pid, token), take, clock);
    this.#running.add(running);
    void running.ended.then(() => this.#running.delete(running));
    this.#watching ??= this.#watch();
    const begin = child.stdin.getWriter();
    await begin.write(new TextEncoder().encode("\n")).catch(() => {});
    await begin.close().catch(() => {});
    return running;
  }

  /** Ends all commands; no more can be started. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const all = [...this.#running];
    await Promise.all(all.map((running) => running.stop().then(() => running.ended)));
    await this.#watching;
  }

  /** Ends commands that start processes without end, and lets go of what ended, while any command runs. */
  async #watch(): Promise<void> {
    const { marks, clock } = this.#options;
    let known = threadsOfAll();
    for (let time = 1; this.#running.size > 0; time++) {
      await clock.sleep(WATCH.everyMs);
      if (time % WATCH.reapEvery === 0) marks.reap();
      const now = threadsOfAll();
      known = Math.min(known, now);
      if (now < known + WATCH.most) continue;
      known = now;
      for (const running of this.#running) known -= await running.limit(WATCH.most);
    }
    this.#watching = undefined;
  }

  #spawn(command: string, token: string): Deno.ChildProcess {
    const { folder, env } = this.#options;
    for (const shell of SHELLS) {
      try {
        return new Deno.Command(shell, {
          args: ["-c", PREPARATION, shell, command],
          cwd: folder,
          clearEnv: true,
          env: { ...env, [MARK_VARIABLE]: token },
          stdin: "piped",
          stdout: "piped",
          stderr: "null",
          detached: true,
        }).spawn();
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      }
    }
    throw new Problem("There is no shell, or the workspace is not there any more");
  }
}

/** A command that was started. */
export class Running {
  readonly #clock: Clock;
  #isEnded = false;
  #wasTooMany = false;
  readonly kinship: Kinship;
  /** Resolves once the command has ended, with all that it started. Never rejects. */
  readonly ended: Promise<Exit>;

  constructor(
    child: Deno.ChildProcess,
    kinship: Kinship,
    take: (bytes: Uint8Array) => Promise<void>,
    clock: Clock,
  ) {
    this.#clock = clock;
    this.kinship = kinship;
    this.ended = this.#ending(child, take);
  }

  /** Ends it, with all that it started. */
  async stop(): Promise<void> {
    if (this.#isEnded) return;
    await endAll(this.kinship, this.#clock);
  }

  async #ending(child: Deno.ChildProcess, take: (bytes: Uint8Array) => Promise<void>) {
    const reader = child.stdout.getReader();
    const output = pump(reader, take);
    const { code, signal } = await child.status;
    this.#isEnded = true;
    await killAll(this.kinship, this.#clock);
    this.kinship.end();
    // What cannot be ended, such as another user's process, may hold the output open.
    if (!await settlesWithin(output, REST_MS, this.#clock)) await reader.cancel().catch(() => {});
    return { code, signal: signal ?? undefined, wasTooMany: this.#wasTooMany };
  }

  /** Ends it if it has too many processes. Resolves to how many it has. */
  async limit(most: number): Promise<number> {
    const { pids } = await this.kinship.look(true);
    if (pids.length < most || this.#isEnded) return pids.length;
    this.#wasTooMany = true;
    await killAll(this.kinship, this.#clock, true);
    return 0;
  }
}

async function pump(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  take: (bytes: Uint8Array) => Promise<void>,
): Promise<void> {
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      await take(value);
    }
  } catch {
    // It was given up.
  }
}
