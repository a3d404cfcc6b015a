/**
 * The workspace's folder: what a path names is opened first and looked at afterwards, by its descriptor, so
 * that nothing can be swapped in between.
 */
import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readlinkSync,
  realpathSync,
  statfsSync,
} from "node:fs";
import { join, normalize, relative } from "node:path";
import { OpenFile } from "./open_file.ts";
import { asProblem, codeOf, Problem, shown } from "./problem.ts";

/** Linux opens a file by this without touching it: no FIFO blocks, and no device does anything. */
const O_PATH = 0o10000000;

/** File systems whose files are the kernel's own: `proc` and `sysfs`. One may be mounted in the workspace. */
const OF_KERNEL = [0x9fa0, 0x62656572];

const LONGEST_PATH = 4_096;

/** A file or folder inside the workspace that stays the same one, whatever happens to its path. */
export class Pinned {
  constructor(
    readonly fd: number,
    /** Its path from the root, without symbolic links; empty for the root. */
    readonly path: string,
    /** A path that leads to it and nothing else. */
    readonly place: string,
  ) {}

  stat(): Deno.FileInfo {
    return Deno.statSync(this.place);
  }

  close(): void {
    closeSync(this.fd);
  }
}

/** The folder that every path is resolved in. To look a path up takes some microseconds, and is synchronous. */
export class Root {
  /** By the number of a file system. */
  readonly #isOfKernel = new Map<number, boolean>();

  /** @param folder absolute and without symbolic links */
  constructor(
    readonly folder: string,
    readonly isLinux: boolean = Deno.build.os === "linux",
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

  /** Holds on to a folder. @throws {Problem} if there is none inside. */
  folderAt(path: string): Pinned {
    const pinned = this.pin(path);
    try {
      if (!pinned.stat().isDirectory) throw new Problem(`${shown(path)}: it is not a folder`);
      this.#refuseKernel(pinned, path);
      return pinned;
    } catch (error) {
      pinned.close();
      throw asProblem(error, path);
    }
  }

  /** Opens a file for reading. @throws {Problem} if there is none inside. */
  open(path: string): OpenFile {
    const pinned = this.pin(path);
    try {
      requireFile(pinned.stat(), path);
      this.#refuseKernel(pinned, path);
      if (!this.isLinux) return new OpenFile(pinned.fd);
      // It is a file for good, so to open it waits for nothing.
      const fd = openSync(pinned.place, constants.O_RDONLY | constants.O_NONBLOCK);
      pinned.close();
      return new OpenFile(fd);
    } catch (error) {
      pinned.close();
      throw asProblem(error, path);
    }
  }

  /** Holds on to whatever a path names, without opening it. @throws {Problem} if it is not inside. */
  pin(path: string): Pinned {
    try {
      return this.isLinux ? this.#pinByDescriptor(path) : this.#pinByPath(path);
    } catch (error) {
      throw asProblem(error, path);
    }
  }

  /** True if a path could be made: nothing is there, nor a link that leads nowhere. */
  isMissing(path: string): boolean {
    try {
      lstatSync(this.#at(path));
      return false;
    } catch (error) {
      return isMissing(error);
    }
  }

  #pinByDescriptor(path: string): Pinned {
    const fd = openSync(this.#at(path), O_PATH);
    try {
      const place = `/proc/self/fd/${fd}`;
      return new Pinned(fd, this.#inside(readlinkSync(place), path), place);
    } catch (error) {
      closeSync(fd);
      throw error;
    }
  }

  /** Other systems have no path of a descriptor: what was opened is compared with what the path names. */
  #pinByPath(path: string): Pinned {
    const place = realpathSync(this.#at(path));
    const inside = this.#inside(place, path);
    const named = Deno.statSync(place);
    if (!named.isDirectory) requireFile(named, path);
    const { O_RDONLY, O_NONBLOCK, O_NOFOLLOW } = constants;
    const pinned = new Pinned(openSync(place, O_RDONLY | O_NONBLOCK | O_NOFOLLOW), inside, place);
    const opened = fstatSync(pinned.fd);
    if (realpathSync(place) === place && opened.ino === named.ino && opened.dev === named.dev) {
      return pinned;
    }
    pinned.close();
    throw new Problem(`${shown(path)}: it was changed meanwhile`);
  }

  #refuseKernel(pinned: Pinned, path: string): void {
    const { dev } = pinned.stat();
    const known = this.#isOfKernel.get(dev);
    const isOfKernel = known ?? (this.isLinux && OF_KERNEL.includes(statfsSync(pinned.place).type));
    this.#isOfKernel.set(dev, isOfKernel);
    if (isOfKernel) throw new Problem(`${shown(path)}: it belongs to the system`);
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

/** A path of what has a name in a folder that is held. */
export function childOf(folder: Pinned, name: string): string {
  return `${folder.place}/${name}`;
}

/** True if the error says that there is nothing by that name. */
export function isMissing(error: unknown): boolean {
  return codeOf(error) === "ENOENT";
}

function requireFile(found: Deno.FileInfo, path: string): void {
  if (found.isFile) return;
  throw new Problem(
    found.isDirectory
      ? `${shown(path || ".")}: it is a folder; list shows what it has`
      : `${shown(path)}: it is not a file but a device, a pipe or a socket`,
  );
}
