/** Disks that are full, read-only or not for programs, in a mount namespace of the process alone. */
import { parleyCommand } from "../kit/process.ts";

/** A file system that a process shall see at a folder. */
export interface Mount {
  folder: string;
  /** `mount -t tmpfs -o` that; or "bind,ro" for the folder itself, read-only. */
  options: string;
}

const SCRIPT = `set -e
if [ "$1" = bind,ro ]; then mount --bind "$2" "$2"; mount -o remount,bind,ro "$2"
else mount -t tmpfs -o "$1" none "$2"; fi
shift 2; exec "$@"`;

/** Root needs no user namespace of its own, and some machines permit none. */
const UNSHARE = Deno.uid() === 0 ? ["unshare", "-m"] : ["unshare", "-rm"];

/** True where this machine lets a test mount. */
export const CAN_MOUNT = canMount();

/** Parley's command with the folder mounted: its process sees that, and no other does. */
export function withMount(mount: Mount): string[] {
  return inNamespace(mount, parleyCommand());
}

/** Parley's command where only /mnt/data and /mnt/tmp, both in memory, can be written. */
export function withReadOnlyRoot(): string[] {
  const script = `set -e
mount -t tmpfs none /mnt; mkdir -m 700 /mnt/data /mnt/tmp; mount -o remount,bind,ro /
exec "$@"`;
  return [...UNSHARE, "bash", "-c", script, "bash", ...parleyCommand()];
}

function inNamespace({ folder, options }: Mount, command: string[]): string[] {
  return [...UNSHARE, "bash", "-c", SCRIPT, "bash", options, folder, ...command];
}

function canMount(): boolean {
  const folder = Deno.makeTempDirSync();
  try {
    const [program = "", ...args] = inNamespace({ folder, options: "size=4k" }, ["true"]);
    return new Deno.Command(program, { args }).outputSync().success;
  } catch {
    return false;
  } finally {
    Deno.removeSync(folder);
  }
}
