/** What of a database would be on the disk if the power failed now. */
import type { Random } from "../kit/random.ts";

/** The write-ahead log as it stands. Frames of a generation carry its salt; a restart takes a new one. */
interface Wal {
  bytes: Uint8Array;
  salt: string;
  /** 1 for the first that was seen. */
  generation: number;
  /** Behind the last frame of this generation; what follows is of an older one. */
  end: number;
}

/** What a power loss took. */
export interface Loss {
  /** Bytes of the log that were written and are gone. */
  lost: number;
  generation: number;
}

/** What becomes of bytes that nobody synced: all, any of the pages, or all behind one byte are gone. */
const FATES = ["gone", "pages", "cut", "there"] as const;
type Fate = typeof FATES[number];

const HEADER = 32;
const FRAME_HEADER = 24;

/** What the kernel writes back at once. */
const PAGE = 4_096;

/**
 * Watches the syncs of one database, and knows what of its log was synced: by a `syncData` that has
 * resolved, as of its beginning. Nothing else syncs the log: a checkpoint waits for one of these before it
 * moves the log. What it moved counts as synced: `checkpoints_test.ts` is about that.
 */
export class Disk implements Disposable {
  /** Called at the start of each sync. */
  onSync = () => {};
  readonly #database: string;
  readonly #realSync = Deno.FsFile.prototype.syncData;
  #synced = { generation: 0, end: 0 };
  #seen: Wal = { bytes: new Uint8Array(), salt: "", generation: 0, end: 0 };
  /** What the log's file held before this generation. */
  #older = new Uint8Array();

  /** With `slowness`, every sync takes longer, as it does on a disk that is busy. */
  constructor(readonly dataDir: string, private readonly slowness: () => Promise<void>) {
    this.#database = `${dataDir}/parley.db`;
    const sync = (file: Deno.FsFile) => this.#sync(file);
    Deno.FsFile.prototype.syncData = function () {
      return sync(this);
    };
  }

  [Symbol.dispose](): void {
    Deno.FsFile.prototype.syncData = this.#realSync;
  }

  /** Writes what a power loss now would leave into `folder`. */
  loseInto(folder: string, random: Random, fate: Fate = random.pick(FATES)): Loss {
    const wal = this.#look();
    const isSynced = this.#synced.generation === wal.generation;
    const kept = isSynced ? this.#synced.end : Math.min(HEADER, wal.end);
    Deno.copyFileSync(this.#database, `${folder}/parley.db`);
    const { bytes, lost } = leave(wal, kept, this.#older, fate, random);
    Deno.writeFileSync(`${folder}/parley.db-wal`, bytes);
    return { lost, generation: wal.generation };
  }

  async #sync(file: Deno.FsFile): Promise<void> {
    if (!this.#isLog(file)) return await this.#realSync.call(file);
    const { generation, end } = this.#look();
    this.onSync();
    await this.#realSync.call(file);
    await this.slowness();
    this.#onSynced(generation, end);
  }

  #isLog(file: Deno.FsFile): boolean {
    try {
      return file.statSync().ino === Deno.statSync(`${this.#database}-wal`).ino;
    } catch {
      return false;
    }
  }

  #onSynced(generation: number, end: number): void {
    const { generation: known, end: reached } = this.#synced;
    if (generation < known || (generation === known && end < reached)) return;
    this.#synced = { generation, end };
  }

  #look(): Wal {
    const last = this.#seen;
    const bytes = Deno.readFileSync(`${this.#database}-wal`);
    const salt = bytes.subarray(16, 24).toHex();
    if (salt !== last.salt) this.#older = last.bytes.slice();
    const generation = salt === last.salt ? last.generation : last.generation + 1;
    this.#seen = { bytes, salt, generation, end: endOf(bytes, salt) };
    return this.#seen;
  }
}

/** Where the frames with that salt end. */
function endOf(bytes: Uint8Array, salt: string): number {
  if (bytes.length < HEADER) return 0;
  const frame = FRAME_HEADER + new DataView(bytes.buffer).getUint32(8);
  let end = HEADER;
  while (end + frame <= bytes.length && bytes.subarray(end + 8, end + 16).toHex() === salt) {
    end += frame;
  }
  return end;
}

/** A log of which the bytes up to `kept` are certain. Where others are gone, what was there before shows. */
function leave(
  { bytes, end }: Wal,
  kept: number,
  older: Uint8Array,
  fate: Fate,
  random: Random,
): { bytes: Uint8Array; lost: number } {
  const left = new Uint8Array(Math.max(kept, end, older.length));
  left.set(older);
  left.set(bytes.subarray(0, kept));
  let size = Math.max(kept, older.length);
  let lost = end - kept;
  const take = (from: number, to: number) => {
    if (to <= from) return;
    left.set(bytes.subarray(from, to), from);
    size = Math.max(size, to);
    lost -= to - from;
  };
  if (fate === "cut") take(kept, random.between(kept, end));
  if (fate === "there") take(kept, end);
  if (fate === "pages") {
    for (let from = kept; from < end; from = (Math.floor(from / PAGE) + 1) * PAGE) {
      const to = Math.min(end, (Math.floor(from / PAGE) + 1) * PAGE);
      if (random.chance(0.6)) take(from, to);
    }
  }
  return { bytes: left.subarray(0, size), lost };
}
