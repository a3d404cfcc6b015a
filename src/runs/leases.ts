import { settlesWithin } from "../domain/clock.ts";
import type { AbandonedRun, Lease, RunRecord } from "../domain/records.ts";
import { type Ownership, type OwnRuns, STOP_WAIT, type Stopped } from "./ownership.ts";
import { follow, FOLLOW_EVERY } from "./follow.ts";
import type { Parts } from "./parts.ts";
import type { RunStream } from "./run_stream.ts";

type Needed = Pick<Parts, "leases" | "runs" | "events" | "queue" | "clock"> & {
  /** The id of this process. */
  owner: string;
};

/**
 * How long a lease is good, and how often it is renewed, in milliseconds. The rest, which is there at any
 * time, is how long the database may be away.
 */
const GOOD_FOR = 15_000;
const RENEW_EVERY = 3_000;

/** How long a renewal is waited for, and after how long it is tried again, in milliseconds. */
const RENEW_LIMIT = 2_500;
const RETRY = 500;

/** How often a process looks for runs that another has left, in milliseconds. */
const SWEEP_EVERY = 4_000;

/** How often a process looks whether another was asked to stop its runs, in milliseconds. */
const HEED_EVERY = 1_000;

/**
 * Ownership on a database that several processes share: a run is its process's as long as the lease on
 * it is renewed, so that no process takes over a run that is alive.
 */
export class LeaseOwnership implements Ownership {
  readonly aloneSince = 0;
  readonly #closed = new AbortController();
  /** When the leases of this process's runs end, by their ids. */
  readonly #ends = new Map<string, number>();

  constructor(private readonly parts: Needed) {}

  lease(runId: string): Lease {
    const lease = this.#lease();
    this.#note([runId], lease);
    return lease;
  }

  left(runId: string): number {
    return Math.max(0, (this.#ends.get(runId) ?? 0) - this.parts.clock.now());
  }

  holds(runId: string): boolean {
    return this.left(runId) > 0;
  }

  abandoned(of: Parameters<Ownership["abandoned"]>[0]): Promise<AbandonedRun[]> {
    const { leases, owner, clock } = this.parts;
    return leases.abandoned(owner, clock.now(), of);
  }

  countAbandoned(): Promise<number> {
    const { leases, owner, clock } = this.parts;
    return leases.countAbandoned(owner, clock.now());
  }

  async takeOver(runIds: readonly string[]): Promise<string[]> {
    const { leases, clock } = this.parts;
    const lease = this.#lease();
    const taken = await leases.takeOver(runIds, lease, clock.now());
    this.#note(taken, lease);
    return taken;
  }

  keep(own: OwnRuns, sweep: () => Promise<void>): void {
    this.#every(RENEW_EVERY, () => this.#renew(own));
    this.#every(HEED_EVERY, () => this.#heed(own));
    this.#every(SWEEP_EVERY, () => this.#look(sweep));
  }

  async stop({ id, ownerId }: RunRecord): Promise<Stopped | undefined> {
    const { leases, runs, clock } = this.parts;
    if (!await leases.requestStop(ownerId, id)) return undefined;
    const until = clock.elapsed() + STOP_WAIT;
    while (clock.elapsed() < until && !this.#closed.signal.aborted) {
      await clock.sleep(FOLLOW_EVERY, this.#closed.signal).catch(() => {});
      const found = await runs.find(ownerId, id).catch(() => ({ state: "running" }));
      if (found?.state !== "running") return { runId: id, ended: true };
    }
    return { runId: id, ended: false };
  }

  followQueued(stream: RunStream, over: AbortSignal): Promise<void> {
    return follow(stream, this.parts, over);
  }

  close(): void {
    this.#closed.abort();
  }

  #lease(): Lease {
    const { owner, clock } = this.parts;
    return { owner, until: clock.now() + GOOD_FOR };
  }

  #note(runIds: Iterable<string>, { until }: Lease): void {
    for (const id of runIds) this.#ends.set(id, until);
  }

  async #renew(own: OwnRuns): Promise<void> {
    const { leases, clock } = this.parts;
    const before = new Set(own.ids());
    for (const id of this.#ends.keys()) {
      if (!before.has(id) && this.left(id) === 0) this.#ends.delete(id);
    }
    if (before.size === 0) return;
    const lease = this.#lease();
    const renewal = leases.renew(lease, [...before]);
    // A line that is stuck must not cost the lease.
    if (!await settlesWithin(renewal, RENEW_LIMIT, clock)) throw new Error("it takes too long");
    const kept = new Set(await renewal);
    this.#note(kept, lease);
    own.lose(before.difference(kept).intersection(new Set(own.ids())));
  }

  /** Sweeps only if there is something to do: an idle process asks for little. */
  async #look(sweep: () => Promise<void>): Promise<void> {
    const { leases, owner, clock } = this.parts;
    if (await leases.isAnyLeft(owner, clock.now())) await sweep();
  }

  async #heed(own: OwnRuns): Promise<void> {
    const { leases, owner } = this.parts;
    if (own.ids().length > 0) own.stopAll(await leases.stopRequests(owner));
  }

  async #every(ms: number, round: () => Promise<void>): Promise<void> {
    for (let wait = ms; !this.#closed.signal.aborted;) {
      try {
        await this.parts.clock.sleep(wait, this.#closed.signal);
        wait = RETRY;
        await round();
        wait = ms;
      } catch {
        // The database is out of reach for a moment: the next round sees to it.
      }
    }
  }
}
