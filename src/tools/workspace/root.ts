/**
 * The workspace's folder: what a path names is opened first and looked at afterwards, by its descriptor, so
 * that nothing can be swapped in between.
 */
import { constants } from "node:fs";
import { type FileHandle, lstat, open, readlink, realpath, stat, statfs } from "node:fs/promises";
import { join, normalize, relative } from "node:path";
import { asProblem, codeOf, Problem, shown } from "./problem.ts";

/** Linux opens a file by this without touching it: no FIFO blocks, and no device does anything. */
const O_PATH = 0o10000000;

/** File systems whose files are the kernel's own: `proc` and `sysfs`. One may be mounted in the workspace. */
const OF_KERNEL = [0x9fa0, 0x62656572];

const LONGEST_PATH = 4_096;

/** A file or folder inside the workspace that stays the same one, whatever happens to its path. */
export class Pinned {
  constructor(
    readonly handle: FileHandle,
    /** Its path from the root, without symbolic links; empty for the root. */
    readonly path: string,
    /** A path that leads to it and nothing else. */
    readonly place: string,
  ) {}

  close(): Promise<void> {
    return this.handle.close();
  }
}

/** What a path has to name. */
export type Kind = "file" | "folder";

/** The folder that every path is resolved in. */
export class Root {
  /** @param folder absolute and without symbolic links */
  constructor(
    readonly folder: string,
    readonly isLinux = Deno.build.os === "linux",
  ) {}

  /**
   * A path as the model gave it, from the root and without `..`; empty for the root.
   * @throws {Problem} if it leads out of the workspace, or cannot be a path.
   */
  within(path: string): string {
    if (path === "") throw new Problem("The path is empty");
    if (path.includes("\0")) throw new Problem("A path cannot have a NUL character");
    if (path.length > LONGEST_PATH) throw new Problem("The path is too long");
    const inside = relative(this.folder, normalize(path.startsWith("/") ? path : this.#at(path)));
    if (inside === ".." || inside.startsWith("../")) {
      throw new Problem("The path leads out of the workspace");
    }
    // The system says then that a file is no folder.
    return inside !== "" && path.endsWith("/") ? `${inside}/` : inside;
  }

  /** Opens a file for reading; a folder to look into. @throws {Problem} if it is not inside, or no such thing. */
  async open(path: string, kind: Kind): Promise<Pinned> {
    const pinned = await this.pin(path);
    try {
      await requireKind(pinned, kind, path);
      if (this.isLinux && OF_KERNEL.includes((await statfs(pinned.place)).type)) {
        throw new Problem(`${shown(path)}: it belongs to the system`);
      }
      if (kind === "folder") return pinned;
      // What is pinned can be neither replaced nor be anything but a file by now, so this cannot block.
      const handle = await open(pinned.place, constants.O_RDONLY | constants.O_NONBLOCK);
      await pinned.close();
      return new Pinned(handle, pinned.path, placeOf(handle, pinned.place, this.isLinux));
    } catch (error) {
      await pinned.close().catch(() => {});
      throw asProblem(error, path);
    }
  }

  /** Holds on to whatever a path names, without opening it. @throws {Problem} if it is not inside. */
  async pin(path: string): Promise<Pinned> {
    try {
      return this.isLinux ? await this.#pinByDescriptor(path) : await this.#pinByPath(path);
    } catch (error) {
      throw asProblem(error, path);
    }
  }

  /** True if a path could be made: nothing is there, nor a link that leads nowhere. */
  async isMissing(path: string): Promise<boolean> {
    return await lstat(this.#at(path)).then(() => false, isMissing);
  }

  async #pinByDescriptor(path: string): Promise<Pinned> {
    const handle = await open(this.#at(path), O_PATH);
    try {
      const place = `/proc/self/fd/${handle.fd}`;
      return new Pinned(handle, this.#inside(await readlink(place), path), place);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Other systems have no path of a descriptor: what was opened is compared with what the path names. */
  async #pinByPath(path: string): Promise<Pinned> {
    const place = await realpath(this.#at(path));
    const inside = this.#inside(place, path);
    const named = await stat(place);
    if (!named.isFile() && !named.isDirectory()) throw new Problem(`${shown(path)}: not a file`);
    const flags = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOFOLLOW;
    const handle = await open(place, flags);
    const opened = await handle.stat();
    const now = await realpath(place).catch(() => undefined);
    if (now === place && opened.ino === named.ino && opened.dev === named.dev) {
      return new Pinned(handle, inside, place);
    }
    await handle.close();
    throw new Problem(`${shown(path)}: it was changed meanwhile`);
  }

  #at(path: string): string {
    return join(this.folder, path);
  }

  /** A real path from the root. */
  #inside(real: string, path: string): string {
    if (real === this.folder) return "";
    if (real.startsWith(`${this.folder}/`)) return real.slice(this.folder.length + 1);
    throw new Problem(`${shown(path)}: it leads out of the workspace`);
  }
}

/** What a path names in a folder that is held. @throws what the system says. */
export function childOf(folder: Pinned, name: string): string {
  return `${folder.place}/${name}`;
}

/** True if the error says that there is nothing by that name. */
export function isMissing(error: unknown): boolean {
  return codeOf(error) === "ENOENT";
}

function placeOf(handle: FileHandle, place: string, isLinux: boolean): string {
  return isLinux ? `/proc/self/fd/${handle.fd}` : place;
}

async function requireKind({ handle }: Pinned, kind: Kind, path: string): Promise<void> {
  const found = await handle.stat();
  if (kind === "folder" ? found.isDirectory() : found.isFile()) return;
  const name = shown(path === "" ? "." : path);
  if (kind === "folder") throw new Problem(`${name}: it is not a folder`);
  throw new Problem(
    found.isDirectory()
      ? `${name}: it is a folder; list shows what it has`
      : `${name}: it is not a file but a device, a pipe or a socket`,
  );
}
