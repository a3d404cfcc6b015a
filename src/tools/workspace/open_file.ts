import { closeSync, fstatSync, openSync, read, type Stats, unlinkSync, write } from "node:fs";
import { promisify } from "node:util";

const readSome = promisify(read);
const writeSome = promisify(write);

/** An open file: what takes long is asynchronous, and what takes microseconds is not. */
export class OpenFile {
  constructor(readonly fd: number) {}

  /** A new file without a name, which is gone as soon as it is closed, even by a crash. */
  static unnamed(): OpenFile {
    const path = Deno.makeTempFileSync({ prefix: "parley-output-" });
    try {
      return new OpenFile(openSync(path, "r+"));
    } finally {
      unlinkSync(path);
    }
  }

  /** Reads as much as there is and fits, from a position. Resolves to the number of bytes. */
  async read(into: Uint8Array, position: number): Promise<number> {
    let size = 0;
    while (size < into.length) {
      const rest = into.length - size;
      const { bytesRead } = await readSome(this.fd, into, size, rest, position + size);
      size += bytesRead;
      // A file gives fewer bytes only at its end.
      if (bytesRead < rest) break;
    }
    return size;
  }

  /** Writes at the end of what was written. */
  async append(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      at += (await writeSome(this.fd, bytes, at, bytes.length - at)).bytesWritten;
    }
  }

  stat(): Stats {
    return fstatSync(this.fd);
  }

  close(): void {
    closeSync(this.fd);
  }
}
