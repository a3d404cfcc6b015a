import { setImmediate, setTimeout } from "node:timers";
import type { Clock } from "../domain/clock.ts";
import { RunError, type RunFailure } from "../domain/errors.ts";
import type { RunEvent } from "../domain/event.ts";
import type { LogDurability } from "../domain/policies.ts";
import type { EventGroup, RunEnding, RunStore } from "../domain/ports.ts";
import { NO_USAGE } from "../domain/usage.ts";
import type { LiveRun } from "./live_run.ts";
import { readLog } from "./replay.ts";

/** Told when a group could not be stored: the runs in it go no further. */
type OnStorageFailure = (runs: LiveRun[], error: unknown) => void;

/** What clients are told of a run that cannot be stored. */
export const STORAGE_FAILURE: RunFailure = Object.freeze({
  class: "storage",
  message: "Parley could not store the answer. What it had of it is kept as soon as it can be.",
  retryable: true,
});

/** What clients are told of a run that this process makes no more. */
export const TAKEN_OVER: RunFailure = Object.freeze({
  class: "internal",
  message: "Another process has taken this run over.",
  retryable: true,
});

/** What clients are told, behind all of it, of an answer that the disk does not confirm. */
const UNSYNCED: RunFailure = Object.freeze({
  class: "storage",
  message: "The disk did not confirm this answer. It is stored, and a power cut may lose it.",
  retryable: false,
});

/** Milliseconds between two tries to store an ending that could not be stored. */
const RETRY = 1_000;

/** Milliseconds between two writes: a hundred runs then share one, and one run at its pace waits for none. */
const SPACING = 2;

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

/** Why a run is not stored any further, and what its clients have seen beyond its log. */
interface Broken {
  failure: RunFailure;
  unstored: RunEvent[];
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
  /** Runs of which a group could not be stored. */
  readonly #broken = new WeakMap<LiveRun, Broken>();
  readonly #appended = new WeakMap<LiveRun, number>();
  #pending = new Map<LiveRun, Pending>();
  /** True while a group is about to be written, or is being written. */
  #scheduled = false;
  #writtenAt = 0;
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
   * published; to a failure where the run cannot be stored: its clients were told so, and it is to be
   * ended by `endLate`.
   */
  async end(run: LiveRun, ending: RunEnding): Promise<RunFailure | undefined> {
    if (!this.#broken.has(run)) {
      const pending = this.#pendingOf(run);
      pending.ending = ending;
      pending.stored = Promise.withResolvers();
      this.#flushNext();
      // What is stored and could not be synced is stored.
      if (await pending.stored.promise.then(() => true, () => false)) return undefined;
    }
    return this.#broken.get(run)?.failure;
  }

  /**
   * Ends a run that could not be stored, with what is in its log and what its clients have seen, which
   * `makeEnding` is given. It is tried until it can be stored, or until `close`, which rejects it and
   * leaves it to the recovery of the next start.
   */
  async endLate(run: LiveRun, makeEnding: (events: RunEvent[]) => RunEnding): Promise<void> {
    const { failure, unstored } = this.#broken.get(run)!;
    if (failure === TAKEN_OVER) return;
    const { id, ownerId } = run.identity;
    for (;;) {
      await this.#clock.sleep(RETRY, this.#closed.signal);
      try {
        // Of a write whose answer was lost on the line nobody knows but the database.
        if ((await this.#store.find(ownerId, id))?.state !== "running") return;
        const logged = await readLog(id, this.#store);
        const rest = logged.length < run.head - unstored.length + 1 ? unstored : unstored.slice(-1);
        const ending = makeEnding([...logged, ...rest]);
        await this.#store.append([{ runId: id, first: logged.length + 1, events: rest }], [ending]);
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
    const since = this.#clock.now() - this.#writtenAt;
    if (since >= SPACING || since < 0) setImmediate(() => this.#flush());
    else setTimeout(() => this.#flush(), SPACING - since);
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
    const written = await this.#store.append(groups, endings).then(
      (lost) => ({ lost }),
      (error: unknown) => ({ error }),
    );
    if ("error" in written) this.#fail(group, written.error);
    else this.#publish(this.#withoutLost(group, written.lost));
    for (const pending of group.values()) pending.written?.resolve();
    this.#next();
  }

  /** The group without the runs that another process has taken over, which end here. */
  #withoutLost(group: Map<LiveRun, Pending>, lost: ReadonlySet<string>): Map<LiveRun, Pending> {
    if (lost.size === 0) return group;
    const isLost = ([run]: [LiveRun, Pending]) => lost.has(run.identity.id);
    const gone = new Map([...group].filter(isLost));
    this.#fail(gone, new RunError(TAKEN_OVER));
    return new Map([...group].filter((entry) => !isLost(entry)));
  }

  /** What came while a group was written is the next one. */
  #next(): void {
    this.#scheduled = false;
    this.#writtenAt = this.#clock.now();
    if (this.#pending.size > 0) this.#flushNext();
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
        const unsure: RunEvent = { type: "error", failure: UNSYNCED, usage: NO_USAGE };
        for (const [run, { events, stored }] of ended) {
          run.publish([...events, unsure], true);
          stored?.resolve();
        }
        this.#onFailure([...ended.keys()], error);
      },
    );
  }

  #fail(group: Map<LiveRun, Pending>, error: unknown): void {
    this.#tellFailure(group, error);
    for (const { stored } of group.values()) stored?.reject(error);
  }

  #tellFailure(group: Map<LiveRun, Pending>, error: unknown): void {
    const failure = error instanceof RunError ? error.failure : STORAGE_FAILURE;
    for (const [run, { events, ending }] of group) {
      const usage = { ...NO_USAGE, estimated: true };
      const event: RunEvent = { type: "error", failure, usage };
      const published = this.#durability === "after" && !ending ? events : [];
      this.#broken.set(run, { failure, unstored: [...published, event] });
      run.publish([event], true);
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
