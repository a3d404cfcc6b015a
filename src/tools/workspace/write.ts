/** Changes files: each as a whole, so that nobody ever sees half of one. */
import { constants } from "node:fs";
import { chmod, mkdir, open, rename, rm } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { bytesIn } from "./page.ts";
import { asProblem, codeOf, Problem, shown } from "./problem.ts";
import { childOf, isMissing, type Pinned, type Root } from "./root.ts";

/** The largest file that is written or edited, in bytes. */
export const MOST_BYTES = 1024 * 1024;

/** What is made is for everybody who may enter the workspace; the server itself makes private files. */
const NEW = { uid: null, gid: null, mode: 0o644, folderMode: 0o755 };

/** A file that is there. */
export interface Present {
  /** Its path without symbolic links. */
  path: string;
  found: Deno.FileInfo;
}

/** Creates or replaces a file, with the folders that it needs. @throws {Problem} */
export async function writeFile(root: Root, path: string, content: string): Promise<string> {
  const bytes = new TextEncoder().encode(content);
  refuseLarge(bytes);
  if (path === "" || path.endsWith("/")) throw new Problem(`${shown(path || ".")}: it is a folder`);
  const before = presentFile(root, path);
  await replaceFile(root, path, bytes, before);
  return `${before ? "Overwrote" : "Created"} ${shown(path)} (${bytesIn(bytes.length)}).`;
}

/** @throws {Problem} if a file would be too large. */
export function refuseLarge(bytes: Uint8Array): void {
  if (bytes.length <= MOST_BYTES) return;
  throw new Problem(`The file would have ${bytesIn(bytes.length)}, at most 1 MiB can be written`);
}

/** Puts a file in the place of the one that was there, if that is still the same. @throws {Problem} */
export async function replaceFile(
  root: Root,
  path: string,
  bytes: Uint8Array,
  before: Present | undefined,
): Promise<void> {
  const target = before?.path ?? path;
  const folder = await folderFor(root, dirname(target));
  try {
    await putInto(folder, basename(target), bytes, before);
  } catch (error) {
    throw asProblem(error, path);
  } finally {
    folder.close();
  }
}

/** The file that a path names, if any. @throws {Problem} if it names something else, or leads outside. */
export function presentFile(root: Root, path: string): Present | undefined {
  let pinned: Pinned;
  try {
    pinned = root.pin(path);
  } catch (error) {
    if (root.isMissing(path)) return undefined;
    throw error;
  }
  try {
    const found = pinned.stat();
    if (found.isDirectory) throw new Problem(`${shown(path)}: it is a folder`);
    if (!found.isFile) throw new Problem(`${shown(path)}: it is not a file`);
    if (((found.mode ?? 0) & 0o222) === 0) throw new Problem(`${shown(path)}: it is read-only`);
    return { path: pinned.path, found };
  } finally {
    pinned.close();
  }
}

/** The folder of a new file, made if it is missing, each part of it in the one that is held. */
async function folderFor(root: Root, path: string): Promise<Pinned> {
  const parts = path === "." ? [] : path.split("/");
  let folder = root.folderAt("");
  for (const [index] of parts.entries()) {
    const part = parts.slice(0, index + 1).join("/");
    try {
      await makeFolder(childOf(folder, parts[index]!));
      const next = root.folderAt(part);
      folder.close();
      folder = next;
    } catch (error) {
      folder.close();
      throw asProblem(error, part);
    }
  }
  return folder;
}

async function makeFolder(place: string): Promise<void> {
  try {
    await mkdir(place);
    await chmod(place, NEW.folderMode);
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
  }
}

async function putInto(
  folder: Pinned,
  name: string,
  bytes: Uint8Array,
  before: Present | undefined,
): Promise<void> {
  const place = childOf(folder, name);
  const draft = childOf(folder, `.${crypto.randomUUID()}.tmp`);
  try {
    await writeDraft(draft, bytes, before);
    if (!isStill(place, before)) {
      throw new Problem(`${shown(name)}: it was changed meanwhile`);
    }
    // A link that somebody puts there now is replaced, not followed.
    await rename(draft, place);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => {});
    throw error;
  }
}

async function writeDraft(place: string, bytes: Uint8Array, before: Present | undefined) {
  const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;
  const file = await open(place, flags, 0o600);
  try {
    await file.writeFile(bytes);
    // Only root can give a file away; who cannot, owns it from now on.
    const { uid, gid, mode } = before?.found ?? NEW;
    if (uid !== null && gid !== null) await file.chown(uid, gid).catch(() => {});
    await file.chmod((mode ?? NEW.mode) & 0o777);
  } finally {
    await file.close();
  }
}

/** True if what was there is there still, unchanged; or still nothing. */
function isStill(place: string, before: Present | undefined): boolean {
  try {
    const now = Deno.lstatSync(place);
    return before !== undefined && now.ino === before.found.ino && now.dev === before.found.dev &&
      now.size === before.found.size && now.mtime?.getTime() === before.found.mtime?.getTime();
  } catch (error) {
    if (!isMissing(error)) throw error;
    return before === undefined;
  }
}
