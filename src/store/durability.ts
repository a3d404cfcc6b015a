/**
 * Makes commits of a WAL database survive a power cut, off the event loop.
 *
 * With `synchronous=NORMAL` a commit is in the WAL file but not yet on the disk. One `fdatasync` of
 * that file puts every commit before it there, which is what `synchronous=FULL` does after each
 * commit, only that it stops the whole process meanwhile. Callers that arrive while one is under way
 * share the next.
 */
export class Durability {
  readonly #path: string;
  #wal: Deno.FsFile | undefined;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(databasePath: string) {
    this.#path = `${databasePath}-wal`;
  }

  /** Resolves once every commit made before this call is on the disk. */
  sync(): Promise<void> {
    if (!this.#running) {
      this.#running = this.#flush().finally(() => this.#running = undefined);
      return this.#running;
    }
    // What is under way may have begun before the caller's commit.
    this.#next ??= this.#running.catch(() => {}).then(() => {
      this.#next = undefined;
      return this.sync();
    });
    return this.#next;
  }

  async #flush(): Promise<void> {
    try {
      this.#wal ??= await Deno.open(this.#path, { read: true, write: true });
    } catch (error) {
      // No WAL file: nothing was written since the last checkpoint, which syncs what it moved.
      if (error instanceof Deno.errors.NotFound) return;
      throw error;
    }
    await this.#wal.syncData();
  }

  /** Lets go of the file: the next sync opens it anew. */
  async close(): Promise<void> {
    while (this.#running) await this.#running.catch(() => {});
    this.#wal?.close();
    this.#wal = undefined;
  }
}
