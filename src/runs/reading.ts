/** How a reader finds the stream of a run, wherever the run stands. */
import type { Chat } from "../domain/chat.ts";
import type { FoundRun } from "../domain/records.ts";
import type { ActiveRuns } from "./active.ts";
import { follow } from "./follow.ts";
import type { Parts } from "./parts.ts";
import type { Queues } from "./queue.ts";
import { answerBefore, loggedRun, replayRun } from "./replay.ts";
import type { RunStream } from "./run_stream.ts";

type Needed = Pick<Parts, "runs" | "events" | "queue" | "clock">;

/** Finds the streams of runs: made here, queued, made by another process, or ended. */
export class Reading {
  /** The streams of other processes' runs: each log is read once for all who subscribe. */
  readonly #followed = new Map<string, RunStream>();
  readonly #closed = new AbortController();

  constructor(
    private readonly parts: Needed,
    private readonly active: ActiveRuns,
    private readonly queues: Queues,
  ) {}

  /** The owner's run with that id; undefined if there is none. */
  async find(ownerId: string, runId: string): Promise<RunStream | undefined> {
    const here = this.active.get(runId)?.stream;
    if (here && here.identity.ownerId !== ownerId) return undefined;
    if (here && !here.closed) return here;
    // The queue first: a message that begins in between is a run by then.
    const queued = await this.parts.queue.find(ownerId, runId);
    const found = await this.parts.runs.find(ownerId, runId);
    if (found) return await this.#open(found);
    return queued && (this.active.get(runId)?.stream ?? this.queues.join(queued));
  }

  /** The chat's live run; undefined while the chat is idle. */
  async live({ ownerId, id }: Pick<Chat, "ownerId" | "id">): Promise<RunStream | undefined> {
    const live = (await this.parts.runs.current(ownerId, id))?.live;
    return live && this.#open(live);
  }

  /** Ends the streams of other processes' runs. */
  close(): void {
    this.#closed.abort();
    for (const stream of this.#followed.values()) stream.publish([], true);
  }

  #open(found: FoundRun): RunStream | Promise<RunStream> {
    const here = this.active.get(found.run.id)?.stream;
    // A run that could not be stored is stored later, maybe with more than its clients have seen.
    const isStoredLate = here?.closed && found.state !== "running";
    if (here && !isStoredLate) return here;
    return found.state === "running" ? this.#follow(found) : replayRun(found, this.parts);
  }

  async #follow({ run, lastSeq }: FoundRun): Promise<RunStream> {
    const before = await answerBefore(run, this.parts.runs);
    const known = this.#followed.get(run.id);
    if (known) return known;
    const closed = this.#closed.signal.aborted;
    const stream = loggedRun(run, this.parts, { head: lastSeq, closed });
    stream.before = before;
    if (closed) return stream;
    this.#followed.set(run.id, stream);
    follow(stream, this.parts, this.#closed.signal).then(() => this.#followed.delete(run.id));
    return stream;
  }
}
