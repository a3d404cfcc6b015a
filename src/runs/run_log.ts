import { setImmediate, setTimeout } from "node:timers";
import type { Clock } from "../domain/clock.ts";
import type { RunFailure } from "../domain/errors.ts";
import type { RunEvent } from "../domain/event.ts";
import type { LogDurability } from "../domain/policies.ts";
import type { EventGroup, RunEnding, RunStore } from "../domain/ports.ts";
import { NO_USAGE } from "../domain/usage.ts";
import type { LiveRun } from "./live_run.ts";

/** Told when a group could not be stored: the runs in it go no further. */
export type OnStorageFailure = (runs: LiveRun[], error: unknown) => void;

/** What clients are told of a run that cannot be stored. */
export const STORAGE_FAILURE: RunFailure = Object.freeze({
  class: "storage",
  message: "Parley could not store the answer. What it had of it is kept as soon as it can be.",
  retryable: true,
});

/** Milliseconds between two tries to store an ending that could not be stored. */
const RETRY = 1_000;

/** How long the beginning of a run waits for its first content, in milliseconds. */
const PRELUDE_WAIT = 15;

/** How many events of a run may wait to be stored. */
const WAITING = 2_000;

interface Pending {
  events: RunEvent[];
  /** Resolves when the group was written, or could not be; made where somebody waits for it. */
  written?: PromiseWithResolvers<void>;
  /** The run's ending, with who waits for it to be stored. */
  ending?: RunEnding;
  stored?: PromiseWithResolvers<void>;
}

/**
 * The durable log: events are stored, then published, never the other way round.
 *
 * Events of all runs are gathered until the next turn of the event loop, so that what one network
 * read brought is one write, and a hundred runs share it.
 */
export class RunLog {
  readonly #store: RunStore;
  readonly #clock: Clock;
  readonly #durability: LogDurability;
  readonly #onFailure: OnStorageFailure;
  readonly #closed = new AbortController();
  /** Runs of which a group could not be stored, with what their clients have seen beyond the log. */
  readonly #broken = new WeakMap<LiveRun, EventGroup>();
  readonly #appended = new WeakMap<LiveRun, number>();
  #pending = new Map<LiveRun, Pending>();
  /** True while a group is about to be written, or is being written. */
  #scheduled = false;
  /** True while only beginnings of runs are there to be written. */
  #waiting = false;

  constructor(
    store: RunStore,
    clock: Clock,
    durability: LogDurability,
    onFailure: OnStorageFailure,
  ) {
    this.#store = store;
    this.#clock = clock;
    this.#durability = durability;
    this.#onFailure = onFailure;
  }

  /**
   * Adds an event to the run's log. It is published once it is stored. Gives a promise where so much
   * waits to be stored that the caller had better wait too.
   */
  append(run: LiveRun, event: RunEvent): Promise<void> | void {
    if (this.#broken.has(run)) return;
    const pending = this.#pendingOf(run);
    pending.events.push(event);
    if (isPrelude(event)) this.#flushSoon();
    else this.#flushNext();
    if (pending.events.length >= WAITING) {
      pending.written ??= Promise.withResolvers();
      return pending.written.promise;
    }
  }

  /**
   * Adds the run's ending, behind its events. Resolves once it would survive a power cut and is
   * published; to false where the run cannot be stored: its clients were told, and it is to be ended
   * by `endLate`.
   */
  async end(run: LiveRun, ending: RunEnding): Promise<boolean> {
    if (this.#broken.has(run)) return false;
    const pending = this.#pendingOf(run);
    pending.ending = ending;
    pending.stored = Promise.withResolvers();
    this.#flushNext();
    return await pending.stored.promise.then(() => true, () => false);
  }

  /**
   * Ends a run that could not be stored, with what its clients have seen and no more. It is tried until
   * it can be stored, or until `close`, which rejects it and leaves it to the recovery of the next
   * start.
   */
  async endLate(run: LiveRun, makeEnding: () => Promise<RunEnding>): Promise<void> {
    const unstored = this.#broken.get(run)!;
    for (;;) {
      await this.#clock.sleep(RETRY, this.#closed.signal);
      try {
        const ending = await makeEnding();
        await this.#store.append([unstored], [ending]);
        return await this.#store.durable();
      } catch {
        // The failure was reported when it came; it is only waited for here.
      }
    }
  }

  /** Gives up endings that cannot be stored. */
  close(): void {
    this.#closed.abort();
  }

  #pendingOf(run: LiveRun): Pending {
    let pending = this.#pending.get(run);
    if (!pending) {
      pending = { events: [] };
      this.#pending.set(run, pending);
    }
    return pending;
  }

  #flushNext(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#flush());
  }

  /** What stands ahead of the first content is written with it, if that comes soon. */
  #flushSoon(): void {
    if (this.#scheduled || this.#waiting) return;
    this.#waiting = true;
    setTimeout(() => {
      this.#waiting = false;
      if (this.#pending.size > 0) this.#flushNext();
    }, PRELUDE_WAIT);
  }

  async #flush(): Promise<void> {
    const group = this.#pending;
    this.#pending = new Map();
    for (const [run, pending] of group) {
      if (!this.#broken.has(run)) continue;
      // It came while the group before it failed: the log would have a gap.
      group.delete(run);
      pending.written?.resolve();
      pending.stored?.reject(new Error("the run cannot be stored"));
    }
    if (group.size === 0) return this.#next();
    const endings = [...group.values()].flatMap(({ ending }) => ending ? [ending] : []);
    // Before they are published, which moves the run's head.
    const groups = this.#number(group);
    if (this.#durability === "after") publishOngoing(group);
    const failure = await this.#store.append(groups, endings).then(
      () => undefined,
      (error: unknown) => ({ error }),
    );
    if (failure) this.#fail(group, failure.error);
    else this.#publish(group);
    for (const { written } of group.values()) written?.resolve();
    this.#next();
  }

  /** The next group is written as soon as the last one is. */
  #next(): void {
    if (this.#pending.size > 0) setImmediate(() => this.#flush());
    else this.#scheduled = false;
  }

  #number(group: Map<LiveRun, Pending>): EventGroup[] {
    const groups: EventGroup[] = [];
    for (const [run, { events }] of group) {
      if (events.length === 0) continue;
      const last = this.#appended.get(run) ?? run.head;
      groups.push({ runId: run.identity.id, first: last + 1, events });
      this.#appended.set(run, last + events.length);
    }
    return groups;
  }

  #publish(group: Map<LiveRun, Pending>): void {
    if (this.#durability === "before") publishOngoing(group);
    const ended = new Map([...group].filter(([, { ending }]) => ending));
    if (ended.size === 0) return;
    // The others' next group need not wait for the disk.
    this.#store.durable().then(
      () => {
        for (const [run, { events, stored }] of ended) {
          run.publish(events, true);
          stored?.resolve();
        }
      },
      (error) => {
        // It is stored, and goes to the disk with the next that does; only nobody is promised so.
        this.#tellFailure(ended, error);
        for (const { stored } of ended.values()) stored?.resolve();
      },
    );
  }

  #fail(group: Map<LiveRun, Pending>, error: unknown): void {
    this.#tellFailure(group, error);
    for (const { stored } of group.values()) stored?.reject(error);
  }

  #tellFailure(group: Map<LiveRun, Pending>, error: unknown): void {
    for (const [run, { events, ending }] of group) {
      const usage = { ...NO_USAGE, estimated: true };
      const event: RunEvent = { type: "error", failure: STORAGE_FAILURE, usage };
      const published = this.#durability === "after" && !ending ? events : [];
      const unstored = [...published, event];
      run.publish([event], true);
      const first = run.head - unstored.length + 1;
      this.#broken.set(run, { runId: run.identity.id, first, events: unstored });
    }
    this.#onFailure([...group.keys()], error);
  }
}

function isPrelude({ type }: RunEvent): boolean {
  return type === "start" || type === "step-start";
}

function publishOngoing(group: Map<LiveRun, Pending>): void {
  for (const [run, { events, ending }] of group) {
    if (!ending) run.publish(events, false);
  }
}
