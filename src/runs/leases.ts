import { type Clock, settlesWithin } from "../domain/clock.ts";
import type { Lease, RunStore } from "../domain/ports.ts";

/** What leases need. */
export interface LeasesParts {
  runs: RunStore;
  clock: Clock;
  /** The id of this process. */
  owner: string;
  /** True where other processes may use the same database; else every other run is nobody's. */
  shared: boolean;
  /** Told of runs that another process has taken over. */
  onLost: (runIds: Set<string>) => void;
  /** Told of runs that another process was asked to stop. */
  onStop: (runIds: string[]) => void;
  /** Called from time to time: others' runs may have been abandoned. */
  onSweep: () => Promise<void>;
}

/** How long a lease is good, in milliseconds, and how often it is renewed. */
const GOOD_FOR = 15_000;
const RENEW_EVERY = 5_000;

/** How long a renewal is waited for, and after how long it is tried again, in milliseconds. */
const RENEW_LIMIT = 3_000;
const RETRY = 500;

/** How often a process looks for runs that another has left, in milliseconds. */
const SWEEP_EVERY = 4_000;

/** How often a process looks whether another was asked to stop its runs, in milliseconds. */
const HEED_EVERY = 1_000;

/**
 * Keeps the word that this process makes its runs. On a database of its own that word is its lock;
 * on a shared one it is renewed, so that another process takes over no run that is alive.
 */
export class Leases {
  readonly #parts: LeasesParts;
  readonly #ended = new AbortController();

  constructor(parts: LeasesParts) {
    this.#parts = parts;
  }

  /** A lease for a run that begins now. */
  make(): Lease {
    const { owner, clock } = this.#parts;
    return { owner, until: clock.now() + GOOD_FOR };
  }

  /** Before which time a lease of another counts as ended; undefined: all others' have. */
  get cutoff(): number | undefined {
    return this.#parts.shared ? this.#parts.clock.now() : undefined;
  }

  get owner(): string {
    return this.#parts.owner;
  }

  /**
   * Renews, and heeds what others were asked to stop, until `close`. `held` gives the ids of the runs
   * that this process makes.
   */
  async keep(held: () => Iterable<string>): Promise<void> {
    if (!this.#parts.shared) return;
    await Promise.all([
      this.#every(RENEW_EVERY, () => this.#renew(held)),
      this.#every(HEED_EVERY, () => this.#heed(held)),
      this.#every(SWEEP_EVERY, this.#parts.onSweep),
    ]);
  }

  async #renew(held: () => Iterable<string>): Promise<void> {
    const { runs, clock, onLost } = this.#parts;
    const before = new Set(held());
    if (before.size === 0) return;
    const renewal = runs.renew(this.make(), [...before]);
    // A line that is stuck must not cost the lease.
    if (!await settlesWithin(renewal, RENEW_LIMIT, clock)) throw new Error("it takes too long");
    const kept = new Set(await renewal);
    const lost = before.difference(kept).intersection(new Set(held()));
    if (lost.size > 0) onLost(lost);
  }

  async #heed(held: () => Iterable<string>): Promise<void> {
    const { runs, owner, onStop } = this.#parts;
    if ([...held()].length > 0) onStop(await runs.stopRequests(owner));
  }

  async #every(ms: number, round: () => Promise<void>): Promise<void> {
    for (let wait = ms; !this.#ended.signal.aborted;) {
      try {
        await this.#parts.clock.sleep(wait, this.#ended.signal);
        wait = RETRY;
        await round();
        wait = ms;
      } catch {
        // Out of reach for a moment: the next round tells.
      }
    }
  }

  close(): void {
    this.#ended.abort();
  }
}
