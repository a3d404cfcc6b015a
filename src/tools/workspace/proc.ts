/** What Linux says of its processes. */

/** A process. */
export interface ProcessStat {
  parent: number;
  group: number;
  session: number;
  /** When it was started, in ticks of the kernel. */
  started: number;
  /** True if it only waits for its parent to take notice of its end. */
  hasEnded: boolean;
}

/** All processes; none on systems that do not show them. */
export function allPids(): number[] {
  try {
    // One call for all: while processes are started without end, every pause would cost another second.
    return [...Deno.readDirSync("/proc")].flatMap(({ name }) =>
      /^\d+$/.test(name) ? Number(name) : []
    );
  } catch {
    return [];
  }
}

/** Undefined if there is no such process any more. */
export function statOf(pid: number): ProcessStat | undefined {
  const stat = readProc(`${pid}/stat`);
  // The name in parentheses can have any character.
  const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ");
  if (!fields) return undefined;
  const [parent, group, session] = fields.slice(1, 4).map(Number) as [number, number, number];
  const hasEnded = fields[0] === "Z" || fields[0] === "X";
  return { parent, group, session, started: Number(fields[19]), hasEnded };
}

/** The most bytes of message queues that a process may have. */
export function messageQueuesOf(pid: number): bigint | undefined {
  const limits = readProc(`${pid}/limits`) ?? "";
  const limit = /^Max msgqueue size +\S+ +(\d+)/m.exec(limits)?.[1];
  return limit === undefined ? undefined : BigInt(limit);
}

/** A variable of the environment that a process was started with, unless it has overwritten it. */
export function variableOf(pid: number, name: string): string | undefined {
  const variables = readProc(`${pid}/environ`)?.split("\0") ?? [];
  return variables.find((one) => one.startsWith(`${name}=`))?.slice(name.length + 1);
}

/** How many processes and threads the machine has: to notice many at little cost. */
export function threadsOfAll(): number {
  return Number(/\/(\d+)/.exec(readProc("loadavg") ?? "")?.[1] ?? 0);
}

/** The children of this process, those that it was left included. */
export function ownChildren(): number[] {
  return readProc(`self/task/${Deno.pid}/children`)?.trim().split(" ").map(Number) ?? [];
}

function readProc(path: string): string | undefined {
  try {
    return Deno.readTextFileSync(`/proc/${path}`);
  } catch {
    return undefined;
  }
}
