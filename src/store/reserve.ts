import { statfs } from "node:fs/promises";

/** The size of a reserve where there is plenty of space, in bytes. */
const SIZE = 1024 * 1024;

/** A block of most disks, and the most random bytes that there are at once. */
const BLOCK = 4_096;
const CHUNK = 65_536;

/**
 * A file that takes some space of a database's disk, to be given back once the disk is full: what frees
 * space in a database has to write to its log first. Its bytes are random, so that no file system saves
 * itself the blocks.
 */
export class Reserve {
  readonly #database: string;
  readonly #path: string;
  readonly #freeBytes: (path: string) => Promise<number>;

  /** The reserve of the database at that path. `freeBytes` tells how much is free on a path's disk. */
  constructor(database: string, freeBytes: (path: string) => Promise<number>) {
    this.#database = database;
    this.#path = `${database}.reserve`;
    this.#freeBytes = freeBytes;
  }

  /** Makes it, or enlarges it, with at most a quarter of what is free. Without space there is none. */
  async make(): Promise<void> {
    try {
      using file = await Deno.open(this.#path, { write: true, create: true, mode: 0o600 });
      const { size } = await file.stat();
      const quarter = (size + await this.#freeBytes(this.#path)) / 4;
      const wanted = Math.min(SIZE, quarter - quarter % BLOCK);
      await file.seek(0, Deno.SeekMode.End);
      for (let at = size; at < wanted; at += await file.write(random(wanted - at)));
      await file.sync();
    } catch {
      // The disk has become full meanwhile, or takes no new file.
    }
  }

  /** Gives its space back; false if there is none. */
  async release(): Promise<boolean> {
    try {
      await Deno.remove(this.#path);
      return true;
    } catch {
      return false;
    }
  }

  /** True if the disk has space for a database of that many bytes, those included that it has now. */
  async hasSpaceFor(bytes: number): Promise<boolean> {
    const { blocks, size } = await Deno.stat(this.#database);
    const present = blocks === null ? size : blocks * 512;
    return bytes - present <= await this.#freeBytes(this.#database);
  }
}

function random(length: number): Uint8Array<ArrayBuffer> {
  return crypto.getRandomValues(new Uint8Array(Math.min(CHUNK, length)));
}

/** The free bytes of the disk at that path. */
export async function freeBytes(path: string): Promise<number> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize;
}
