import type { Clock } from "../domain/clock.ts";
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
  /** Called from time to time: others' runs may have been abandoned. */
  onSweep: () => Promise<void>;
}

/** How long a lease is good, in milliseconds, and how often it is renewed. */
const GOOD_FOR = 15_000;
const RENEW_EVERY = 5_000;

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

  /** Renews until `close`. `held` gives the ids of the runs that this process makes. */
  async keep(held: () => Iterable<string>): Promise<void> {
    const { clock, runs, shared, onLost, onSweep } = this.#parts;
    if (!shared) return;
    while (!this.#ended.signal.aborted) {
      try {
        await clock.sleep(RENEW_EVERY, this.#ended.signal);
        const before = new Set(held());
        const kept = new Set(await runs.renew(this.make()));
        const lost = before.difference(kept).intersection(new Set(held()));
        if (lost.size > 0) onLost(lost);
        await onSweep();
      } catch {
        // Out of reach for a moment: the next round tells.
      }
    }
  }

  close(): void {
    this.#ended.abort();
  }
}
