/** The folder that tools may work in. */
import { realpathSync, statSync } from "node:fs";
import { basename, dirname, join, resolve, sep } from "node:path";
import { type Given, invalid, shown } from "./given.ts";

/** Folders of the system that hold no files of a user. */
const SYSTEM = ["/proc", "/sys", "/dev"];

/** What a model must not reach: the data folder, the database, the configuration. */
export interface PrivatePath {
  /** What it is, as the end of a sentence. */
  what: string;
  path: string;
}

/**
 * The folder, absolute and without symbolic links.
 * @throws {UsageError} if it is no folder, or has something private in it.
 */
export function workspaceFolder(given: Given, secrets: readonly PrivatePath[]): string {
  const folder = realFolder(given);
  const inSystem = SYSTEM.some((system) => isWithin(folder, system)) &&
    !isWithin(folder, "/dev/shm");
  if (folder === dirname(folder) || inSystem) {
    throw invalid(given, `a folder of your own, found ${shown(given.value)}`);
  }
  for (const { what, path } of secrets) {
    if (!placesOf(resolve(path)).some((place) => isWithin(place, folder))) continue;
    throw invalid(given, `a folder without ${what}, found ${shown(path)} in it`);
  }
  return folder;
}

/** Where a path leads, and where its last link is: whoever can change a link can change what it leads to. */
function placesOf(path: string): string[] {
  return [path, join(realPath(dirname(path)), basename(path)), realPath(path)];
}

function realFolder(given: Given): string {
  try {
    const folder = realpathSync(resolve(String(given.value)));
    if (statSync(folder).isDirectory()) return folder;
  } catch {
    // Told below, as for a file.
  }
  throw invalid(given, `a folder that exists, found ${shown(given.value)}`);
}

/** The path without symbolic links; of what does not exist yet, without those on the way to it. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    const parent = dirname(path);
    return parent === path ? path : join(realPath(parent), basename(path));
  }
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}
