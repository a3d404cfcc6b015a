/** The checksums of SQLite's write-ahead log. https://sqlite.org/fileformat2.html#walformat */

const HEADER = 32;
const FRAME_HEADER = 24;

/** The first four bytes of a log; the last bit is set if checksums take numbers as big-endian. */
const MAGIC = 0x377f0682;

/** The offset of `PRAGMA user_version` on the first page of a database. */
const USER_VERSION = 60;

/**
 * The end of the commit that set `user_version` to that number. Undefined if there is none, or if any
 * byte before it is not as SQLite wrote it: each checksum covers everything before it.
 */
export function endOfVersion(log: Uint8Array, version: number): number | undefined {
  if (log.length < HEADER) return undefined;
  const view = new DataView(log.buffer, log.byteOffset, log.length);
  const magic = view.getUint32(0);
  if (magic >>> 1 !== MAGIC >>> 1) return undefined;
  const sum = new Checksum(view, magic === MAGIC);
  sum.add(0, 24);
  if (!sum.isAt(24)) return undefined;
  const frame = FRAME_HEADER + view.getUint32(8);
  for (let at = HEADER; at + frame <= log.length; at += frame) {
    const isOfThisLog = view.getBigUint64(at + 8) === view.getBigUint64(16);
    sum.add(at, at + 8);
    sum.add(at + FRAME_HEADER, at + frame);
    if (!isOfThisLog || !sum.isAt(at + 16)) return undefined;
    const [page, sizeAfterCommit] = [view.getUint32(at), view.getUint32(at + 4)];
    const isVersion = page === 1 && view.getInt32(at + FRAME_HEADER + USER_VERSION) === version;
    if (isVersion && sizeAfterCommit > 0) return at + frame;
  }
  return undefined;
}

/** The checksum of all added bytes. */
class Checksum {
  #first = 0;
  #second = 0;

  constructor(private readonly view: DataView, private readonly isLittleEndian: boolean) {}

  add(from: number, to: number): void {
    const { view, isLittleEndian } = this;
    let [first, second] = [this.#first, this.#second];
    for (let at = from; at < to; at += 8) {
      first = (first + view.getUint32(at, isLittleEndian) + second) | 0;
      second = (second + view.getUint32(at + 4, isLittleEndian) + first) | 0;
    }
    [this.#first, this.#second] = [first, second];
  }

  /** True if the log has this checksum at that offset. */
  isAt(place: number): boolean {
    return this.view.getInt32(place) === this.#first &&
      this.view.getInt32(place + 4) === this.#second;
  }
}
