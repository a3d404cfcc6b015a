import { basename } from "node:path";
import type { Clock } from "../domain/clock.ts";
import { atMostOnceASecond } from "./once_a_second.ts";

/** What identifies a file: its disk and its place there. Both are null where a system has no such. */
type Identity = Pick<Deno.FileInfo, "dev" | "ino">;

type Stat = (path: string) => Promise<Identity>;

/**
 * The files of an open database. SQLite goes on to write to them after they were deleted or replaced,
 * and what it writes then is gone once the process ends.
 */
export class DataFiles {
  /** What is wrong with the files; undefined if they are those that were opened. */
  readonly problem: () => Promise<string | undefined>;

  private constructor(
    private readonly opened: ReadonlyMap<string, string>,
    private readonly stat: Stat,
    clock: Clock,
  ) {
    this.problem = atMostOnceASecond(() => this.#look(), clock);
  }

  /** The files of the database at that path, which was opened just now. */
  static async of(path: string, stat: Stat, clock: Clock): Promise<DataFiles> {
    const opened = new Map<string, string>();
    for (const name of [path, `${path}-wal`]) opened.set(name, identify(await stat(name)));
    return new DataFiles(opened, stat, clock);
  }

  async #look(): Promise<string | undefined> {
    for (const [path, opened] of this.opened) {
      const found = await this.stat(path).then(identify, () => undefined);
      if (found === undefined) return `The database's file ${basename(path)} is gone`;
      if (found !== opened) return `The database's file ${basename(path)} was replaced`;
    }
    return undefined;
  }
}

function identify({ dev, ino }: Identity): string {
  return `${dev}:${ino}`;
}
