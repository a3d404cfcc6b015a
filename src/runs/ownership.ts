import type { LeaseStore } from "../domain/ports.ts";
import type { AbandonedRun, Lease, RunRecord } from "../domain/records.ts";
import type { Clock } from "../domain/clock.ts";
import type { RunStream } from "./run_stream.ts";

/** What a stop came to. */
export interface Stopped {
  runId: string;
  /** False if the stop was requested, and the run's ending is not stored yet. */
  ended: boolean;
}

/** How long a stop waits for the run's ending to be stored, in milliseconds. */
export const STOP_WAIT = 10_000;

/** This process's runs, as the owner of others sees them. */
export interface OwnRuns {
  ids(): string[];
  /** Stops runs that another process was asked to stop. */
  stopAll(runIds: Iterable<string>): void;
  /** Ends runs that another process has taken over. */
  lose(runIds: Iterable<string>): void;
}

/** Which runs are this process's to make, and how it reaches those that are not. */
export interface Ownership {
  /** The claim on a run that begins now. */
  lease(runId: string): Lease;
  /**
   * For how many milliseconds no other process can take the run over: so long this one may try again
   * to store what it makes. 0 if the database cannot be away, because it is a file.
   */
  left(runId: string): number;
  /** True if no other process may have taken the run over by now, for what nobody can take back. */
  holds(runId: string): boolean;
  /** The live runs that no process makes any more: the one of a chat, or a page of all by their chats. */
  abandoned(of: { chatId: string } | { after: string }): Promise<AbandonedRun[]>;
  /** How many there are. */
  countAbandoned(): Promise<number>;
  /** Takes over abandoned runs; resolves to the ids of those that are now this process's. */
  takeOver(runIds: readonly string[]): Promise<string[]>;
  /** When this process became the only one: attempts from before it are nobody's. 0 if it is not. */
  readonly aloneSince: number;
  /**
   * Keeps the claims of these runs until `close`, and tells them what other processes do to them.
   * Calls `sweep` from time to time: others may have left runs behind.
   */
  keep(own: OwnRuns, sweep: () => Promise<void>): void;
  /**
   * Asks the process that makes a live run to stop it, and waits a while for its end. Undefined if no
   * other process can be making it.
   */
  stop(run: RunRecord): Promise<Stopped | undefined>;
  /** Publishes what another process makes of a queued message, until `over`. */
  followQueued(stream: RunStream, over: AbortSignal): Promise<void>;
  close(): void;
}

/** Ownership of a local file: the server's exclusive lock makes every run of another owner nobody's. */
export class LockOwnership implements Ownership {
  readonly aloneSince: number;

  /** `owner` is the id of this process. */
  constructor(
    private readonly leases: LeaseStore,
    private readonly owner: string,
    private readonly clock: Clock,
  ) {
    this.aloneSince = clock.now();
  }

  lease(): Lease {
    return { owner: this.owner, until: this.clock.now() };
  }

  left(): number {
    return 0;
  }

  holds(): boolean {
    return true;
  }

  abandoned(of: Parameters<Ownership["abandoned"]>[0]): Promise<AbandonedRun[]> {
    return this.leases.abandoned(this.owner, undefined, of);
  }

  countAbandoned(): Promise<number> {
    return this.leases.countAbandoned(this.owner, undefined);
  }

  takeOver(runIds: readonly string[]): Promise<string[]> {
    return this.leases.takeOver(runIds, this.lease(), undefined);
  }

  keep(): void {}

  stop(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  async followQueued(): Promise<void> {}

  close(): void {}
}
