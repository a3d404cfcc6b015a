/** All files under a folder, within bounds. */
import { Pauses } from "../../domain/pauses.ts";
import type { Root } from "./root.ts";
import { Problem } from "./problem.ts";

/** Folders that searches leave out unless they are asked for by name. */
export const SKIPPED = [".git", "node_modules"];

/** How far a search goes. */
const MOST = { ms: 10_000, entries: 200_000, depth: 100 };

/** Folders of more entries are not sorted: that would take too long at once. */
const SORTABLE = 5_000;

/** A file or link that a walk found. */
export interface Found {
  /** From the root of the workspace. */
  path: string;
  isFile: boolean;
}

/** A walk through a folder and all below it, links not followed. */
export class Walk {
  readonly #root: Root;
  readonly #signal: AbortSignal;
  readonly #skipped: readonly string[];
  readonly #pauses = new Pauses();
  readonly #until = performance.now() + MOST.ms;
  #entries = 0;
  /** Why it does not have everything, as a sentence. */
  reason: string | undefined;

  /** @param asked what the model asked for: a folder that is named there is not skipped */
  constructor(root: Root, asked: string, signal: AbortSignal) {
    this.#root = root;
    this.#signal = signal;
    this.#skipped = SKIPPED.filter((name) => !asked.includes(name));
  }

  /** False once the walk has to end. */
  async goesOn(): Promise<boolean> {
    this.#signal.throwIfAborted();
    if (performance.now() > this.#until) this.#ends(`after ${MOST.ms / 1000} s`);
    await this.#pauses.next();
    return this.reason === undefined;
  }

  /** @throws {Problem} if there is no such folder. */
  async *files(folder: string): AsyncGenerator<Found> {
    const waiting = [{ path: folder, depth: 0 }];
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      const { path, depth } = next;
      const folders: typeof waiting = [];
      for (const { name, isDirectory, isFile } of await this.#entriesOf(path, depth === 0)) {
        if (!await this.goesOn()) return;
        const child = path === "" ? name : `${path}/${name}`;
        if (!isDirectory) yield { path: child, isFile };
        else if (this.#skipped.includes(name)) continue;
        else if (depth < MOST.depth) folders.push({ path: child, depth: depth + 1 });
      }
      for (const one of folders.reverse()) waiting.push(one);
    }
  }

  async #entriesOf(path: string, isFirst: boolean): Promise<Deno.DirEntry[]> {
    const entries: Deno.DirEntry[] = [];
    try {
      const folder = this.#root.folderAt(path);
      try {
        for await (const entry of Deno.readDir(folder.place)) {
          if (++this.#entries > MOST.entries) this.#ends(`after ${MOST.entries} files and folders`);
          if (!await this.goesOn()) break;
          entries.push(entry);
        }
      } finally {
        folder.close();
      }
    } catch (error) {
      // Below the first, a folder may be closed to us, or gone by now.
      if (isFirst || !(error instanceof Problem)) throw error;
    }
    return entries.length > SORTABLE ? entries : entries.sort(byName);
  }

  #ends(when: string): void {
    this.reason ??= `The search ended ${when}: not everything was looked at`;
  }
}

function byName(a: Deno.DirEntry, b: Deno.DirEntry): number {
  return a.name < b.name ? -1 : 1;
}
