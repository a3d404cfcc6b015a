import { clearTimeout, setImmediate, setTimeout } from "node:timers";
import { RunError } from "../domain/errors.ts";
import type { EventGroup, RunEnding } from "../domain/records.ts";
import type { Parts } from "./parts.ts";
import { isAway } from "./patience.ts";

/**
 * The pause behind a write, so that what comes meanwhile shares the next one: as long as the write took, and
 * as long again for each so many runs that it was for; at most three times as long, and two milliseconds.
 */
const RUNS = 4;
const MOST_TIMES = 3;
const MAX_PAUSE = 2;

/** How long the opening events of a run wait for its first content, in milliseconds. */
const OPENING_WAIT = 15;

/** The pause before a group is tried again that met a database that is away, in milliseconds. */
const AWAY = 200;

/** What one run has to be written. */
export interface Batch {
  /** Missing if there is only an ending. */
  group?: EventGroup;
  ending?: RunEnding;
}

/** A run whose log is written by groups. */
export interface Member {
  readonly runId: string;
  /** Hands over what is to be written now; undefined if there is nothing. */
  take(): Batch | undefined;
  /** The batch is stored. */
  onStored(batch: Batch): void;
  /** The batch could not be stored, or is no longer this process's to store. */
  onFailed(batch: Batch, error: unknown): void;
}

/** Why a run that another process has taken over goes no further. */
export const TAKEN_OVER = new RunError({
  class: "internal",
  message: "Another process has taken this run over.",
  retryable: true,
});

/**
 * Gathers the events of all runs until the next turn of the event loop, or until the pause behind a write is
 * over, and writes them together: what one network read brought is one write, and a hundred runs share it.
 */
export class GroupCommit {
  #pending = new Set<Member>();
  /** True while a group is about to be written, or is being written. */
  #scheduled = false;
  /** True while only opening events are pending. */
  #waiting = false;
  /** True if the end of a run is pending. */
  #hasEnd = false;
  /** Until when the next write waits, by the clock that nobody sets. */
  #nextAt = -Infinity;
  /** Set while a group waits for that time. */
  #pause: ReturnType<typeof setTimeout> | undefined;

  /** Once `closed` is aborted, nothing is waited for. */
  constructor(
    private readonly parts: Pick<Parts, "events" | "clock" | "ownership">,
    private readonly closed: AbortSignal,
  ) {}

  /** Writes what this run has with the next group; without a pause if it is the end of the run. */
  add(member: Member, isEnd = false): void {
    this.#pending.add(member);
    this.#hasEnd ||= isEnd;
    if (this.#scheduled && !(isEnd && this.#pause)) return;
    clearTimeout(this.#pause);
    this.#pause = undefined;
    this.#scheduled = true;
    const wait = this.#hasEnd ? 0 : this.#nextAt - this.parts.clock.elapsed();
    if (wait <= 0) setImmediate(() => this.#flush());
    else this.#pause = setTimeout(() => this.#flush(), wait);
  }

  /** Holds the opening events of a run briefly, so that they share one write with the first content. */
  addOpening(member: Member): void {
    this.#pending.add(member);
    if (this.#scheduled || this.#waiting) return;
    this.#waiting = true;
    setTimeout(() => {
      this.#waiting = false;
      for (const member of this.#pending) return this.add(member);
    }, OPENING_WAIT);
  }

  async #flush(): Promise<void> {
    this.#pause = undefined;
    this.#hasEnd = false;
    const members = this.#pending;
    this.#pending = new Set();
    const batches = new Map<Member, Batch>();
    for (const member of members) {
      const batch = member.take();
      if (batch) batches.set(member, batch);
    }
    const { clock } = this.parts;
    const begun = clock.elapsed();
    if (batches.size > 0) await this.#write(batches);
    this.#scheduled = false;
    const ended = clock.elapsed();
    const times = Math.min(MOST_TIMES, 1 + batches.size / RUNS);
    this.#nextAt = ended + Math.min(MAX_PAUSE, times * (ended - begun));
    // What came while the group was written is the next one.
    for (const member of this.#pending) return this.add(member);
  }

  /** A group meets a database that is away until it is back, or the leases of its runs end. */
  async #write(batches: Map<Member, Batch>): Promise<void> {
    for (let left = batches; left.size > 0;) {
      const written = await this.#append(left).catch(() => this.#append(left)).catch(
        (error: unknown) => ({ error }),
      );
      if (!("error" in written)) return this.#settle(left, written);
      const isHeld = ([{ runId }]: [Member, Batch]) => this.#waits(runId, written.error);
      const [held, others] = [true, false].map((held) =>
        new Map([...left].filter((entry) => isHeld(entry) === held))
      ) as [typeof left, typeof left];
      await this.#writeAlone(others, written.error);
      left = held;
      if (left.size > 0) await this.parts.clock.sleep(AWAY, this.closed).catch(() => {});
    }
  }

  #waits(runId: string, error: unknown): boolean {
    return isAway(error) && !this.closed.aborted && this.parts.ownership.left(runId) > 0;
  }

  /** One failed write must not end every run in the group: it was tried twice, and is now run by run. */
  async #writeAlone(batches: Map<Member, Batch>, error: unknown): Promise<void> {
    if (batches.size === 1) return this.#fail(batches, error);
    await Promise.all([...batches].map(async (entry) => {
      const alone = new Map([entry]);
      const written = await this.#append(alone).catch((error: unknown) => ({ error }));
      if ("error" in written) this.#fail(alone, written.error);
      else this.#settle(alone, written);
    }));
  }

  async #append(batches: Map<Member, Batch>): Promise<ReadonlySet<string>> {
    const groups = [...batches.values()].flatMap(({ group }) => group ?? []);
    const endings = [...batches.values()].flatMap(({ ending }) => ending ?? []);
    return await this.parts.events.append(groups, endings);
  }

  #settle(batches: Map<Member, Batch>, lost: ReadonlySet<string>): void {
    for (const [member, batch] of batches) {
      if (lost.has(member.runId)) member.onFailed(batch, TAKEN_OVER);
      else member.onStored(batch);
    }
  }

  #fail(batches: Map<Member, Batch>, error: unknown): void {
    for (const [member, batch] of batches) member.onFailed(batch, error);
  }
}
