/** The few calls of Linux that the runtime does not have. */

const RLIMIT = { fileSize: 1, core: 4, processes: 6, messageQueues: 12 };
const PR_GET_DUMPABLE = 3;
const PR_SET_DUMPABLE = 4;
const PR_SET_CHILD_SUBREAPER = 36;
const WNOHANG = 1;
const SIGUSR1 = 10;
const PRIO_PROCESS = 0;

/** The largest file that a command may write, in bytes. */
const FILE_BYTES = 16n * 1024n ** 3n;

/** How much later than the server commands get the processor: so many steps of `nice`. */
const NICE = 5;
const NICEST = 19;

/** What the C library does for us. */
export interface Libc {
  /** Closes this process's memory and environment to other processes of its user. */
  closeMemory(): boolean;
  /** Lets SIGUSR1 do nothing. What this process starts does not inherit that, as it would an ignored signal. */
  disarm(): void;
  /** Makes this process the parent of what its descendants leave behind. */
  adopt(): boolean;
  /** Lets go of a child that has ended. */
  reap(pid: number): void;
  /** The most bytes of message queues that this process may have: a limit that nothing else needs. */
  mark(): bigint | undefined;
  /** Gives a process its limits, which all that it starts will have too, and can only lower. */
  limit(pid: number, limits: { mark: bigint | undefined; processes: number }): boolean;
  unload(): void;
}

/** Loads the C library; undefined on other systems than Linux, and where it cannot be loaded. */
export function loadLibc(): Libc | undefined {
  if (Deno.build.os !== "linux") return undefined;
  try {
    const { symbols, close } = open();
    const limitOf = (pid: number, which: number, limits?: bigint[]) => {
      const old = new BigUint64Array(2);
      const given = limits ? BigUint64Array.from(limits) : null;
      return symbols.prlimit(pid, which, given, old) === 0 ? old : undefined;
    };
    const lower = (pid: number, which: number, limit: bigint) => {
      const [, most] = limitOf(pid, which) ?? [];
      if (most !== undefined && limit < most) limitOf(pid, which, [limit, limit]);
    };
    return {
      closeMemory: () =>
        symbols.prctl(PR_SET_DUMPABLE, 0n, 0n, 0n, 0n) === 0 &&
        symbols.prctl(PR_GET_DUMPABLE, 0n, 0n, 0n, 0n) === 0,
      disarm: () => void symbols.signal(SIGUSR1, symbols.abs),
      adopt: () => symbols.prctl(PR_SET_CHILD_SUBREAPER, 1n, 0n, 0n, 0n) === 0,
      reap: (pid) => void symbols.waitpid(pid, null, WNOHANG),
      mark: () => limitOf(0, RLIMIT.messageQueues)?.[1],
      limit: (pid, { mark, processes }) => {
        lower(pid, RLIMIT.core, 0n);
        lower(pid, RLIMIT.fileSize, FILE_BYTES);
        lower(pid, RLIMIT.processes, BigInt(processes));
        const own = symbols.getpriority(PRIO_PROCESS, 0);
        symbols.setpriority(PRIO_PROCESS, pid, Math.min(NICEST, own + NICE));
        if (mark === undefined) return false;
        return limitOf(pid, RLIMIT.messageQueues, [mark, mark]) !== undefined;
      },
      unload: close,
    };
  } catch {
    return undefined;
  }
}

function open() {
  const library = Deno.dlopen("libc.so.6", {
    prctl: { parameters: ["i32", "u64", "u64", "u64", "u64"], result: "i32" },
    prlimit: { parameters: ["i32", "i32", "buffer", "buffer"], result: "i32" },
    getpriority: { parameters: ["i32", "i32"], result: "i32" },
    setpriority: { parameters: ["i32", "i32", "i32"], result: "i32" },
    waitpid: { parameters: ["i32", "buffer", "i32"], result: "i32" },
    signal: { parameters: ["i32", "pointer"], result: "pointer" },
    // Takes a number, and does nothing with it.
    abs: { type: "pointer" },
  });
  return { symbols: library.symbols, close: () => library.close() };
}
