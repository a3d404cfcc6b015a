import { endOfVersion } from "./wal.ts";

/** Milliseconds between two attempts to repair the log. */
const PAUSE = 1_000;

/** The state after a failed sync: nothing that was written is certain to be on the disk. */
interface Doubt {
  error: unknown;
  /** The time of the next repair, by `performance.now`. */
  nextTry: number;
}

/**
 * Makes commits of a WAL database survive a power cut without blocking the event loop.
 *
 * With `synchronous=NORMAL` a commit is in the WAL file but not yet on the disk. One `fdatasync` of
 * that file puts every earlier commit there; `synchronous=FULL` does the same after each commit, but
 * blocks the process. Callers that arrive during a sync share the next.
 *
 * After a failed sync the next one may succeed although nothing was written: Linux forgets what it
 * could not write. So nothing is confirmed until the log has been read back, found as SQLite wrote it,
 * and written and synced again. If it is damaged, nothing is confirmed until the next start.
 */
export class Durability {
  readonly #path: string;
  readonly #exec: (sql: string) => void;
  #wal: Deno.FsFile | undefined;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #doubt: Doubt | undefined;

  /** `exec` runs SQL on the connection that writes. */
  constructor(databasePath: string, exec: (sql: string) => void) {
    this.#path = `${databasePath}-wal`;
    this.#exec = exec;
  }

  /** Resolves once every commit made before this call is on the disk. */
  sync(): Promise<void> {
    if (!this.#running) {
      this.#running = this.#flush().finally(() => this.#running = undefined);
      return this.#running;
    }
    // The sync that is running may have begun before the caller's commit.
    this.#next ??= this.#running.catch(() => {}).then(() => {
      this.#next = undefined;
      return this.sync();
    });
    return this.#next;
  }

  /** True if the log may not be on the disk, or may be damaged there. */
  get isDoubtful(): boolean {
    return this.#doubt !== undefined;
  }

  /** Closes the file; the next sync opens it again. */
  async close(): Promise<void> {
    while (this.#running) await this.#running.catch(() => {});
    this.#wal?.close();
    this.#wal = undefined;
  }

  async #flush(): Promise<void> {
    if (this.#doubt) return await this.#repair(this.#doubt);
    const wal = await this.#open();
    try {
      await wal?.syncData();
    } catch (error) {
      this.#doubt = { error, nextTry: performance.now() + PAUSE };
      throw error;
    }
  }

  async #open(): Promise<Deno.FsFile | undefined> {
    try {
      return this.#wal ??= await Deno.open(this.#path, { read: true, write: true });
    } catch (error) {
      // Without a WAL file, nothing was written since the last checkpoint, which syncs.
      if (error instanceof Deno.errors.NotFound) return undefined;
      throw error;
    }
  }

  async #repair(doubt: Doubt): Promise<void> {
    if (performance.now() < doubt.nextTry) throw doubt.error;
    doubt.nextTry = performance.now() + PAUSE;
    try {
      this.#wal?.close();
      this.#wal = undefined;
      this.#rewrite();
      await (await this.#open())?.syncData();
    } catch (error) {
      if (error instanceof DamagedLog) doubt.nextTry = Infinity;
      doubt.error = error;
      throw error;
    }
    this.#doubt = undefined;
  }

  /** Writes the log over itself if it has every commit. Nothing else writes meanwhile. */
  #rewrite(): void {
    // The last commit of all: if it is whole, so are those before it.
    const version = crypto.getRandomValues(new Int32Array(1))[0]!;
    this.#exec(`PRAGMA user_version=${version}`);
    this.#exec("BEGIN IMMEDIATE");
    try {
      const log = Deno.readFileSync(this.#path);
      const end = endOfVersion(log, version);
      if (end === undefined) throw new DamagedLog("The disk lost a part of the write-ahead log.");
      using file = Deno.openSync(this.#path, { write: true });
      for (let at = 0; at < end;) at += file.writeSync(log.subarray(at, end));
    } finally {
      this.#exec("ROLLBACK");
    }
  }
}

class DamagedLog extends Error {
  override readonly name = "DamagedLog";
}
