/**
 * Finds every process that a command started, wherever it hides: in a session of its own, without its
 * parents, without its environment. Each command has a mark: a limit of its own (`libc.ts`), which its
 * descendants inherit and, unless they are root's, can only lower. One that was lowered is found too, since
 * what loses its parent becomes this process's child. Without the C library there is a variable.
 */
import { Pauses } from "../../domain/pauses.ts";
import type { Libc } from "./libc.ts";
import {
  allPids,
  messageQueuesOf,
  ownChildren,
  type ProcessStat,
  statOf,
  threadsOfAll,
  variableOf,
} from "./proc.ts";

/** The variable that marks what a command started. */
export const MARK_VARIABLE = "WORKSPACE_CALL";

/** How many marks there are, below the limit of this process. */
const MARKS = 300_000;

/** How many more processes and threads than there are now a command's user may have. */
const MORE_PROCESSES = 1_024;

/**
 * After so long, nobody waits for the end of a process any more, in milliseconds: of one that a command has
 * probably started, and of any other.
 */
const NOBODYS_MS = { hidden: 2_000, other: 30_000 };

/** So many processes are looked at in one go: the longer a look, the more can change meanwhile. */
const AT_ONCE = 400;

/** What a look at all processes has found. */
export interface Kin {
  pids: number[];
  /** False if a process ended during the look, or just before: it may have started one that was not seen. */
  isCertain: boolean;
  /** True if this system does not show its processes: only a group can be ended then. */
  isBlind: boolean;
}

/** The marks of all commands that this process runs. */
export class Marks {
  readonly #most: bigint | undefined;
  readonly #live = new Set<bigint>();
  readonly #first = new Set<number>();
  /** Since when what has ended was seen. */
  readonly #dead = new Map<string, number>();
  #next = crypto.getRandomValues(new Uint32Array(1))[0]! % MARKS;

  constructor(readonly libc: Libc | undefined) {
    const most = libc?.mark();
    this.#most = most !== undefined && most > 2 * MARKS ? most : undefined;
    libc?.adopt();
  }

  /** Marks a process that has not begun to run yet. */
  mark(pid: number, token: string): Kinship {
    this.#next = (this.#next + 1) % MARKS;
    // Of an unlimited limit a few bytes less would be as unlimited to some programs.
    const most = this.#most === undefined || this.#most < 2n ** 40n ? this.#most : 2n ** 40n;
    const mark = most === undefined ? undefined : most - BigInt(this.#next + 1);
    const isMarked = this.libc?.limit(pid, { mark, processes: threadsOfAll() + MORE_PROCESSES });
    if (isMarked && mark !== undefined) this.#live.add(mark);
    this.#first.add(pid);
    return new Kinship(this, pid, token, isMarked ? mark : undefined);
  }

  /** Forgets a command of which nothing is left. */
  forget(pid: number, mark: bigint | undefined): void {
    this.#first.delete(pid);
    if (mark !== undefined) this.#live.delete(mark);
  }

  /** Lets go of what has ended and was left to this process. */
  reap(): void {
    const ended = new Set<string>();
    for (const pid of ownChildren()) {
      const stat = statOf(pid);
      if (!stat?.hasEnded || this.isFirst(pid)) continue;
      ended.add(keyOf(pid, stat));
      const limit = messageQueuesOf(pid);
      const isOurs = limit !== undefined && this.#live.has(limit);
      if (isOurs || this.isNobodys(pid, stat, limit)) this.libc?.reap(pid);
    }
    for (const key of this.#dead.keys()) if (!ended.has(key)) this.#dead.delete(key);
  }

  /** True for the first process of a command: the runtime waits for its end. */
  isFirst(pid: number): boolean {
    return this.#first.has(pid);
  }

  /**
   * True for a process that ended a while ago. The runtime lets go of its own at once, so this was left by
   * another part of the server, or hides: since this process adopts everything, nobody else will let go of
   * it. One with a limit like a mark may also be the first process of another workspace's command.
   */
  isNobodys(pid: number, stat: ProcessStat, limit: bigint | undefined): boolean {
    const key = keyOf(pid, stat);
    const since = this.#dead.get(key) ?? performance.now();
    if (this.#dead.size > 10_000) this.#dead.clear();
    this.#dead.set(key, since);
    const most = this.isHiding(limit) ? NOBODYS_MS.hidden : NOBODYS_MS.other;
    return performance.now() - since > most;
  }

  /** True if an ended process was seen before that time. */
  wasSeen(pid: number, stat: ProcessStat, time: number): boolean {
    return (this.#dead.get(keyOf(pid, stat)) ?? Infinity) < time;
  }

  /** True for the limit of a process that some command started, and that has no mark of a command now. */
  isHiding(limit: bigint | undefined): boolean {
    return limit !== undefined && this.#most !== undefined && limit < this.#most &&
      !this.#live.has(limit);
  }
}

/** Numbers of processes are used again. */
function keyOf(pid: number, { started }: ProcessStat): string {
  return `${pid} ${started}`;
}

/** What all processes of a command have. */
export class Kinship {
  readonly #marks: Marks;
  readonly #mark: bigint | undefined;
  readonly #token: string;
  readonly #started: number;

  constructor(
    marks: Marks,
    /** The first process, which leads a session and a group. */
    readonly pid: number,
    token: string,
    mark: bigint | undefined,
  ) {
    this.#marks = marks;
    this.#mark = mark;
    this.#token = token;
    this.#started = statOf(pid)?.started ?? 0;
  }

  /** All that is left of the command. `isUrgent` keeps everything else waiting meanwhile. */
  async look(isUrgent = false): Promise<Kin> {
    const children = new Map<number, number[]>();
    const found = new Set<number>();
    const pauses = new Pauses();
    const begun = performance.now();
    const pids = allPids();
    let isCertain = true;
    for (const pid of pids) {
      if (!isUrgent && pids.length > AT_ONCE) await pauses.next();
      const stat = statOf(pid);
      if (!stat) isCertain = false;
      if (!stat || pid === Deno.pid || stat.started < this.#started) continue;
      if (stat.hasEnded) {
        if (this.#reap(pid, stat, begun)) isCertain = false;
        continue;
      }
      children.set(stat.parent, [...children.get(stat.parent) ?? [], pid]);
      if (this.#has(pid, stat, messageQueuesOf(pid))) found.add(pid);
    }
    // A set also gives what is added to it meanwhile.
    for (const pid of found) for (const child of children.get(pid) ?? []) found.add(child);
    return { pids: [...found], isCertain, isBlind: pids.length === 0 };
  }

  /** Says that the command is over, and nothing of it is left. */
  end(): void {
    this.#marks.forget(this.pid, this.#mark);
  }

  #has(
    pid: number,
    { parent, group, session }: ProcessStat,
    limit: bigint | undefined,
  ): boolean {
    if (this.#isMarked(limit)) return true;
    const isHiding = parent === Deno.pid && this.#marks.isHiding(limit);
    // Root can raise a limit. Numbers may be another's by now, but that is rare.
    const isMarkCertain = this.#mark !== undefined && Deno.uid() !== 0;
    if (!isMarkCertain && [pid, group, session].includes(this.pid)) return true;
    if (!isMarkCertain || isHiding) {
      const token = variableOf(pid, MARK_VARIABLE);
      return token === this.#token || (isHiding && token === undefined);
    }
    return false;
  }

  #isMarked(limit: bigint | undefined): boolean {
    return this.#mark !== undefined && limit === this.#mark;
  }

  /** Lets go of a process that has ended. True if it was one of the command's, and new to a look since `begun`. */
  #reap(pid: number, stat: ProcessStat, begun: number): boolean {
    if (this.#marks.isFirst(pid)) return false;
    const limit = messageQueuesOf(pid);
    const isMarked = this.#isMarked(limit);
    const isNews = isMarked ||
      (!this.#marks.wasSeen(pid, stat, begun) && this.#has(pid, stat, limit));
    if (stat.parent === Deno.pid && (isMarked || this.#marks.isNobodys(pid, stat, limit))) {
      this.#marks.libc?.reap(pid);
    }
    return isNews;
  }
}
