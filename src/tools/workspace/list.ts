/** What a folder has. */
import { Pauses } from "../../domain/pauses.ts";
import { type Root } from "./root.ts";
import { shown } from "./problem.ts";

/** The most entries that are looked at, and shown. */
const MOST_READ = 10_000;
const MOST_SHOWN = 1_000;

/** The entries of a folder, one a line: `name`, `folder/` or `link@`. @throws {Problem} */
export async function listFolder(root: Root, path: string, signal: AbortSignal): Promise<string> {
  const folder = root.folderAt(path);
  try {
    const names: string[] = [];
    const pauses = new Pauses();
    let isWhole = true;
    for await (const entry of Deno.readDir(folder.place)) {
      signal.throwIfAborted();
      if (names.length === MOST_READ) {
        isWhole = false;
        break;
      }
      names.push(lineOf(entry));
      await pauses.next();
    }
    return listed(names, isWhole);
  } finally {
    folder.close();
  }
}

function lineOf({ name, isDirectory, isSymlink }: Deno.DirEntry): string {
  return shown(name) + (isDirectory ? "/" : isSymlink ? "@" : "");
}

function listed(names: string[], isWhole: boolean): string {
  if (names.length === 0) return "[The folder is empty.]";
  const lines = names.sort().slice(0, MOST_SHOWN);
  if (names.length > lines.length || !isWhole) {
    const all = isWhole ? names.length : `more than ${MOST_READ}`;
    const which = isWhole ? "The first " : "";
    lines.push(`[${which}${lines.length} of ${all} entries: look for others with glob.]`);
  }
  return lines.join("\n");
}
