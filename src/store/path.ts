/** The real location of a database file. */
import { basename, dirname, resolve } from "node:path";

/** The most links that may lead to a file, as in Linux. */
const LINKS = 40;

/**
 * The path of a local database, or undefined for a remote one. Follows links, even to a file that does
 * not exist yet: SQLite's own files and the lock lie beside the target.
 */
export function filePath(url: string): string | undefined {
  if (!url.startsWith("file:")) return undefined;
  return follow(url.slice("file:".length).replace(/^\/\/(?=\/)/, ""), LINKS);
}

/** True if the path leads to a file or folder. */
export function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

function follow(path: string, links: number): string {
  const place = resolve(path);
  try {
    return Deno.realPathSync(place);
  } catch {
    // The file, or the target of its link, does not exist yet.
  }
  const target = links > 0 ? linkTarget(place) : undefined;
  const parent = dirname(place);
  if (parent === place) return place;
  const folder = follow(parent, links);
  return target === undefined
    ? resolve(folder, basename(place))
    : follow(resolve(folder, target), links - 1);
}

function linkTarget(path: string): string | undefined {
  try {
    return Deno.readLinkSync(path);
  } catch {
    return undefined;
  }
}
