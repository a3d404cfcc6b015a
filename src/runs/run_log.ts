import { RunError, type RunFailure } from "../domain/errors.ts";
import type { LoggedEvent, RunEvent } from "../domain/event.ts";
import type { RunEnding } from "../domain/records.ts";
import { NO_USAGE } from "../domain/usage.ts";
import { type Batch, GroupCommit, type Member, TAKEN_OVER } from "./group_commit.ts";
import type { Parts } from "./parts.ts";
import type { RunStream } from "./run_stream.ts";

type Needed = Pick<Parts, "events" | "runs" | "disk" | "clock" | "durability" | "ownership">;

/** The end of a run that cannot be stored. */
const UNSTORED: RunFailure = Object.freeze({
  class: "storage",
  message: "Parley could not store the answer. It will store what it has as soon as it can.",
  retryable: true,
});

/** Sent after an answer that the disk did not confirm. */
const UNSYNCED: RunFailure = Object.freeze({
  class: "storage",
  message: "The disk did not confirm this answer. It is stored, but may be lost.",
  retryable: false,
});

/** Milliseconds between two attempts to store an ending. */
const RETRY = 1_000;

/** How many events of a run may wait to be stored. */
const WAITING = 2_000;

/** The durable logs of runs: events are stored, then published, never the other way round. */
export class RunLog {
  readonly #parts: Needed;
  readonly #commit: GroupCommit;
  readonly #closed = new AbortController();

  constructor(parts: Needed) {
    this.#parts = parts;
    this.#commit = new GroupCommit(parts, this.#closed.signal);
  }

  /** Opens the log of a run, to be written behind what its stream has. */
  open(stream: RunStream): LogWriter {
    return new LogWriter(stream, this.#commit, this.#parts, this.#closed.signal);
  }

  /** Gives up endings that cannot be stored: the next start recovers those runs. */
  close(): void {
    this.#closed.abort(new Error("Parley is shutting down"));
  }
}

/** Writes the log of one run and publishes to its stream what is stored. */
export class LogWriter implements Member {
  readonly #stream: RunStream;
  readonly #commit: GroupCommit;
  readonly #parts: Needed;
  readonly #closed: AbortSignal;
  readonly #broken = new AbortController();
  readonly #ended = Promise.withResolvers<void>();
  /** The number of the last event that was handed over to be written. */
  #last: number;
  #events: RunEvent[] = [];
  #ending: RunEnding | undefined;
  /** Resolves when the events that wait are written, or cannot be; made if someone waits for it. */
  #written: PromiseWithResolvers<void> | undefined;
  /** What the clients of a broken run have seen beyond its log. */
  #unstored: RunEvent[] = [];
  /** Why the disk did not confirm the stored ending; undefined if it did. */
  unsynced: unknown;

  constructor(stream: RunStream, commit: GroupCommit, parts: Needed, closed: AbortSignal) {
    this.#stream = stream;
    this.#commit = commit;
    this.#parts = parts;
    this.#closed = closed;
    this.#last = stream.head;
  }

  get runId(): string {
    return this.#stream.identity.id;
  }

  /** Aborted with a `RunError` once this run can no longer be stored. */
  get broken(): AbortSignal {
    return this.#broken.signal;
  }

  /**
   * Adds an event, which is published once it is stored. Gives a promise if so much waits to be
   * stored that the caller should wait too.
   */
  append(event: RunEvent): Promise<void> | void {
    if (this.broken.aborted) return;
    this.#events.push(event);
    if (event.type === "start" || event.type === "step-start") this.#commit.addOpening(this);
    else this.#commit.add(this);
    if (this.#events.length < WAITING) return;
    this.#written ??= Promise.withResolvers();
    return this.#written.promise;
  }

  /**
   * Adds the run's ending behind its events. Resolves once it would survive a power cut and is
   * published; to a failure if the run cannot be stored: its clients were told, and `endLate` ends it.
   */
  async end(ending: RunEnding): Promise<RunFailure | undefined> {
    if (!this.broken.aborted) {
      this.#ending = ending;
      this.#commit.add(this, true);
      await this.#ended.promise;
    }
    return this.broken.aborted ? (this.broken.reason as RunError).failure : undefined;
  }

  /**
   * Ends a broken run with what its log and its clients have, which `makeEnding` gets. It tries until
   * the ending is stored; rejects once the log is closed, which leaves the run to the next start.
   */
  async endLate(makeEnding: (events: RunEvent[]) => RunEnding): Promise<void> {
    const { events, runs, disk, clock } = this.#parts;
    const { id, ownerId } = this.#stream.identity;
    for (;;) {
      await clock.sleep(RETRY, this.#closed);
      try {
        // Only the database knows whether a write whose answer was lost was done.
        if ((await runs.find(ownerId, id))?.state !== "running") return;
        const logged = (await readLog(id, events)).map(({ event }) => event);
        const known = this.#stream.head - this.#unstored.length;
        const rest = logged.length <= known ? this.#unstored : this.#unstored.slice(-1);
        const ending = makeEnding([...logged, ...rest]);
        const group = { runId: id, first: logged.length + 1, events: rest };
        await events.append(rest.length > 0 ? [group] : [], [ending]);
        return await disk.durable();
      } catch {
        // Reported when the run broke; here it is only waited for.
      }
    }
  }

  /** Ends the run's stream with an error: it can no longer be stored. */
  break(error: unknown): void {
    if (this.broken.aborted) return;
    const failure = error instanceof RunError ? error.failure : UNSTORED;
    const event: RunEvent = { type: "error", failure, usage: { ...NO_USAGE, estimated: true } };
    this.#unstored.push(event);
    this.#broken.abort(new RunError(failure, { cause: error }));
    this.#stream.publish([event], true);
    this.#written?.resolve();
    this.#ended.resolve();
  }

  /** See `Member`. */
  take(): Batch | undefined {
    if (this.broken.aborted || (this.#events.length === 0 && !this.#ending)) return undefined;
    const batch: Batch = {};
    if (this.#events.length > 0) {
      batch.group = { runId: this.runId, first: this.#last + 1, events: this.#events };
      this.#last += this.#events.length;
      this.#events = [];
    }
    if (this.#ending) batch.ending = this.#ending;
    this.#ending = undefined;
    if (this.#parts.durability === "after" && !batch.ending) this.#publish(batch, false);
    return batch;
  }

  /** See `Member`. */
  onStored(batch: Batch): void {
    this.#written?.resolve();
    this.#written = undefined;
    if (!batch.ending) {
      if (this.#parts.durability === "before") this.#publish(batch, false);
      return;
    }
    // The next group of the other runs does not wait for the disk.
    Promise.try(() => this.#parts.disk.durable()).then(
      () => this.#publish(batch, true),
      (error) => {
        this.unsynced = error;
        // It is stored, and reaches the disk with the next sync; only nobody can promise that.
        const unsure: RunEvent = { type: "error", failure: UNSYNCED, usage: NO_USAGE };
        this.#stream.publish([...batch.group?.events ?? [], unsure], true);
      },
    ).finally(() => this.#ended.resolve());
  }

  /** See `Member`. */
  onFailed(batch: Batch, error: unknown): void {
    const isPublished = this.#parts.durability === "after" && !batch.ending;
    if (isPublished) this.#unstored = [...batch.group?.events ?? []];
    this.break(error);
  }

  #publish({ group }: Batch, last: boolean): void {
    this.#stream.publish(group?.events ?? [], last);
  }
}

/** True if another process has taken the run over: its ending is that process's to store. */
export function isTakenOver(failure: RunFailure): boolean {
  return failure === TAKEN_OVER.failure;
}

/** Every event in a run's log. */
export async function readLog(runId: string, events: Parts["events"]): Promise<LoggedEvent[]> {
  const all: LoggedEvent[] = [];
  for (;;) {
    const page = await events.read(runId, all.at(-1)?.seq ?? 0);
    if (page.length === 0) return all;
    for (const logged of page) all.push(logged);
  }
}
