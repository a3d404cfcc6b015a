import type { Durability } from "./durability.ts";
import { FileSync } from "./file_sync.ts";

/** How many pages the log may have, more or less, before it is moved into the database. */
const PAGES = 1_000;

/** The size of a page, in bytes. */
const PAGE = 4_096;

/** The connection that writes. */
interface Connection {
  exec(sql: string): void;
  /** The first row of a query. */
  row(sql: string): readonly unknown[];
}

/**
 * Moves the write-ahead log into the database. SQLite would do so within a commit, and block the event loop
 * for two or three syncs of the disk. Here writes wait, and the syncs are asynchronous:
 *
 *     sync the log · copy it · sync the database · truncate the log · sync the log
 *
 * A power cut at any point finds either the whole log, or the whole database and no log. Copying and
 * truncating need no sync of their own, nor does the first commit after them, which begins a new log.
 */
export class Checkpoints {
  readonly #connection: Connection;
  readonly #durability: Durability;
  /** About how many pages the log has. */
  #pages: number;
  readonly #file: FileSync;
  #running: Promise<void> | undefined;
  #isUnsynced = false;
  #isPaused = false;
  #broken: unknown;

  constructor(path: string, connection: Connection, durability: Durability) {
    this.#file = new FileSync(path);
    this.#connection = connection;
    this.#durability = durability;
    this.#pages = sizeOf(`${path}-wal`) / PAGE;
    connection.exec("PRAGMA wal_autocheckpoint=0");
    connection.exec("PRAGMA synchronous=NORMAL");
    if (this.#pages >= PAGES) this.#moveAtOnce();
  }

  /** Resolves once a write may begin. @throws if the disk lost what was moved: the next start has it. */
  async ready(): Promise<void> {
    while (this.#running) await this.#running.catch(() => {});
    if (this.#broken !== undefined) throw this.#broken;
  }

  /** True if a write has to wait for `ready`. */
  get isHeld(): boolean {
    return this.#running !== undefined || this.#broken !== undefined;
  }

  /** Takes note of a transaction that changed so many rows, with so many bytes. */
  wrote(rows: number, bytes: number): void {
    if (this.#isUnsynced) this.#syncedAgain();
    this.#pages += 1 + rows + bytes / PAGE;
    if (this.#pages >= PAGES && !this.#isPaused) this.move().catch(() => {});
  }

  /** Moves nothing by itself any more, or does so again. */
  pause(isPaused: boolean): void {
    this.#isPaused = isPaused;
  }

  /** Moves the whole log. @throws if it cannot be moved. */
  move(): Promise<void> {
    return this.#running ??= this.#move().finally(() => this.#running = undefined);
  }

  /** Moves the log as SQLite does: nobody else is served any more. @throws if it cannot be moved. */
  async end(): Promise<void> {
    await this.ready();
    await this.#durability.sync();
    this.#syncedAgain();
    this.#connection.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  }

  /** Closes the file. Only once the connection is closed: its locks go with it. */
  close(): void {
    this.#file.close();
  }

  /** What a crash left is moved before anybody is served: it may take long. */
  #moveAtOnce(): void {
    try {
      this.#connection.row("PRAGMA wal_checkpoint(TRUNCATE)");
      this.#pages = 0;
    } catch {
      // Whatever is wrong, a write will say it.
    }
  }

  async #move(): Promise<void> {
    this.#pages = 0;
    await this.#durability.sync();
    this.#connection.exec("PRAGMA synchronous=OFF");
    this.#isUnsynced = true;
    try {
      const [busy, length, copied] = this.#connection.row("PRAGMA wal_checkpoint(PASSIVE)");
      // Another program reads what the log had before; SQLite begins no new log meanwhile.
      if (busy !== 0 || length !== copied) return this.#syncedAgain();
    } catch (error) {
      this.#syncedAgain();
      throw error;
    }
    try {
      await this.#file.sync();
      const [busy] = this.#connection.row("PRAGMA wal_checkpoint(TRUNCATE)");
      if (busy !== 0) return this.#syncedAgain();
      await this.#durability.sync();
    } catch (error) {
      // The next commit would begin a new log over the only whole copy.
      this.#broken = error;
      throw error;
    }
  }

  #syncedAgain(): void {
    this.#connection.exec("PRAGMA synchronous=NORMAL");
    this.#isUnsynced = false;
  }
}

function sizeOf(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch {
    return 0;
  }
}
