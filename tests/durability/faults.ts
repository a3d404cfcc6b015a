/** Ways to break the storage below a running Parley, and to mend it. */
import { createClient } from "@libsql/client";
import { assertMatch } from "@std/assert";
import { CAN_MOUNT, withMount } from "../e2e/mounts.ts";
import { parleyCommand, type ParleyProcess } from "../kit/process.ts";

/** Something that happens to the storage, and goes away again. */
export interface Fault {
  name: string;
  /** True where this machine does not let a test do it. */
  ignore: boolean;
  /** The command whose storage can be broken. */
  command(dataDir: string): string[];
  /** Breaks it; the result mends it. */
  begin(server: ParleyProcess): Promise<() => Promise<void>>;
  /** What the log says. */
  reason: RegExp;
  /** The status of a request that would have to store something. */
  status: number;
}

/** The faults after which a process must go on by itself. */
export const FAULTS: Fault[] = [
  {
    name: "a disk that is full",
    ignore: !CAN_MOUNT,
    command: (dataDir) => withMount({ folder: dataDir, options: "size=2m,mode=0700" }),
    begin: fillDisk,
    reason: /The disk of the database is full/,
    status: 507,
  },
  {
    name: "a disk that fails each write",
    ignore: !succeeds("prlimit", "--version"),
    // Whoever writes behind his limit is killed, unless he ignores the signal.
    command: () => ["bash", "-c", 'trap "" XFSZ; exec "$@"', "bash", ...parleyCommand()],
    async begin(server) {
      await limitFiles(server, "0:unlimited");
      return () => limitFiles(server, "unlimited:unlimited");
    },
    reason: /The database failed/,
    status: 500,
  },
  {
    name: "a database that another program has locked",
    ignore: false,
    command: parleyCommand,
    begin: lockDatabase,
    reason: /The database is locked by another program/,
    status: 503,
  },
];

/** True where a program can be run and says that all went well. */
export function succeeds(program: string, ...args: string[]): boolean {
  try {
    return new Deno.Command(program, { args, stdout: "null", stderr: "null" }).outputSync().success;
  } catch {
    return false;
  }
}

/** Runs a program. */
export async function run(program: string, ...args: string[]): Promise<void> {
  const { success, stderr } = await new Deno.Command(program, { args }).output();
  if (!success) {
    throw new Error(`${program} ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  }
}

/** Fills the disk of the data folder; the result frees it again. */
export function fillDisk({ pid, dataDir }: ParleyProcess): Promise<() => Promise<void>> {
  // The disk is mounted for that process alone.
  const path = `/proc/${pid}/root${dataDir}/filler`;
  using file = Deno.openSync(path, { write: true, create: true });
  const block = new Uint8Array(4_096);
  try {
    for (;;) file.writeSync(block);
  } catch (error) {
    assertMatch(String(error), /No space left/);
  }
  return Promise.resolve(() => Deno.remove(path));
}

function limitFiles({ pid }: ParleyProcess, limit: string): Promise<void> {
  return run("prlimit", "--pid", String(pid), `--fsize=${limit}`);
}

async function lockDatabase({ dataDir }: ParleyProcess): Promise<() => Promise<void>> {
  const client = createClient({ url: `file:${dataDir}/parley.db`, timeout: 10_000 });
  const transaction = await client.transaction("write");
  return async () => {
    await transaction.rollback();
    transaction.close();
    client.close();
  };
}

/** A file system of its own in a file, which can be made to turn read-only as after an error. */
export class LoopDisk implements AsyncDisposable {
  private constructor(private readonly folder: string) {}

  /** True where this machine lets a test mount a file. */
  static readonly possible = canLoop();

  static async create(): Promise<LoopDisk> {
    const folder = await Deno.makeTempDir({ prefix: "parley-disk-" });
    await Deno.mkdir(`${folder}/data`);
    await makeImage(`${folder}/image`);
    return new LoopDisk(folder);
  }

  get dataDir(): string {
    return `${this.folder}/data`;
  }

  /** Parley's command with the disk mounted for its process alone. */
  get command(): string[] {
    return mounting(`${this.folder}/image`, this.dataDir, parleyCommand());
  }

  /** What the kernel does to a disk on which it met an error: it is read-only from now on. */
  abort({ pid }: ParleyProcess): Promise<void> {
    const remount = ["mount", "-o", "remount,abort", this.dataDir];
    return run("nsenter", "-t", String(pid), "-m", ...remount);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.folder, { recursive: true });
  }
}

function mounting(image: string, folder: string, command: string[]): string[] {
  const script = 'set -e; mount -o loop "$1" "$2"; shift 2; exec "$@"';
  return ["unshare", "-m", "bash", "-c", script, "bash", image, folder, ...command];
}

async function makeImage(path: string): Promise<void> {
  await Deno.writeFile(path, new Uint8Array(16 * 1024 * 1024));
  await run("mkfs.ext4", "-q", path);
}

function canLoop(): boolean {
  const folder = Deno.makeTempDirSync();
  try {
    const image = `${folder}/image`;
    Deno.mkdirSync(`${folder}/data`);
    Deno.writeFileSync(image, new Uint8Array(4 * 1024 * 1024));
    if (!succeeds("mkfs.ext4", "-q", image)) return false;
    const [program = "", ...args] = mounting(image, `${folder}/data`, ["nsenter", "--version"]);
    return succeeds(program, ...args);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}
