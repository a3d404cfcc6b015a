import type { Clock } from "../domain/clock.ts";
import { AppError } from "../domain/errors.ts";
import type { StorageHealth } from "../domain/ports.ts";
import type { DataFiles } from "./data_files.ts";
import type { Database } from "./database.ts";
import { atMostOnceASecond } from "./once_a_second.ts";
import { sql } from "./statement.ts";

/** Tells whoever runs Parley of a problem that begins, or is over. */
type Tell = (level: "error" | "info", message: string, fields: { reason?: string }) => void;

const UNSAFE = "What is stored now might be lost, so Parley changes nothing until this is mended.";

/**
 * The health of a remote database: it keeps its own files. It is ready if it takes a write, even of
 * nothing: one that is blocked may still be read.
 */
export function remoteHealth(db: Database, clock: Clock): StorageHealth {
  const write = async () => void await db.write([sql`DELETE FROM sends WHERE false`]);
  return { check: () => Promise.resolve(), ready: atMostOnceASecond(write, clock) };
}

/** The health of a database file. It looks when it is asked, and tells of each change once. */
export class FileHealth implements StorageHealth {
  readonly #probe: () => Promise<string | undefined>;
  readonly #told = new Map<string, string>();

  constructor(
    private readonly db: Database,
    private readonly files: DataFiles,
    private readonly tell: Tell,
    clock: Clock,
  ) {
    this.#probe = atMostOnceASecond(() => problemOf(() => this.#write()), clock);
  }

  async check(): Promise<void> {
    const problem = await this.files.problem() ?? await this.#syncProblem();
    this.#report("what is stored may be lost", problem);
    if (problem !== undefined) throw unusable(problem, UNSAFE);
  }

  async ready(): Promise<void> {
    const problem = await this.#probe();
    await this.check();
    this.#report("the database cannot be written", problem);
    if (problem !== undefined) throw unusable(problem, "Parley cannot write to it.");
  }

  /** Why the last sync of the disk failed, unless one succeeds now. */
  async #syncProblem(): Promise<string | undefined> {
    if (!this.db.isDoubtful) return undefined;
    return await problemOf(() => this.db.durable());
  }

  /** Writes a page as it is, the way everything is written. */
  async #write(): Promise<void> {
    await this.db.write([sql`PRAGMA user_version = 0`]);
    // If it fails, the database is doubtful, which `check` tells.
    await this.db.durable().catch(() => {});
  }

  #report(message: string, reason: string | undefined): void {
    if (this.#told.get(message) === reason) return;
    if (reason === undefined) {
      this.#told.delete(message);
      this.tell("info", `${message}: no longer`, {});
    } else {
      this.#told.set(message, reason);
      this.tell("error", message, { reason });
    }
  }
}

/** The message of the error that the work ends with, if it does. */
async function problemOf(work: () => Promise<void>): Promise<string | undefined> {
  try {
    await work();
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

function unusable(problem: string, detail: string): AppError {
  return new AppError("unavailable", problem, { detail, retryAfter: 5 });
}
