import type { Chat } from "../domain/chat.ts";
import type { FoundRun } from "../domain/ports.ts";
import type { LiveRun } from "./live_run.ts";
import { answerBefore, follow, FOLLOW_EVERY, type FollowParts, loggedRun } from "./replay.ts";

/** What the runs of other processes need. */
export interface OthersParts extends FollowParts {
  /** True where there may be other processes. */
  shared: boolean;
}

/** What a stop came to. */
export interface Stopped {
  runId: string;
  /** False where it was asked to stop, and its ending is not stored yet. */
  ended: boolean;
}

/** How long a stop waits for the run's ending to be stored, in milliseconds. */
export const STOP_WAIT = 10_000;

/** The runs that other processes make on a shared database. */
export class OthersRuns {
  readonly #parts: OthersParts;
  readonly #followed = new Map<string, LiveRun>();
  readonly #closed = new AbortController();

  constructor(parts: OthersParts) {
    this.#parts = parts;
  }

  /** The run, to be subscribed to: its log is read as it grows, once for all who do. */
  async follow({ run, lastSeq }: FoundRun): Promise<LiveRun> {
    const before = await answerBefore(run, this.#parts.runs);
    const known = this.#followed.get(run.id);
    if (known) return known;
    const live = loggedRun(run, this.#parts.runs, { state: "running", head: lastSeq });
    live.before = before;
    if (this.#closed.signal.aborted) {
      live.publish([], true);
      return live;
    }
    this.#followed.set(run.id, live);
    follow(live, this.#parts, this.#closed.signal).then(() => this.#followed.delete(run.id));
    return live;
  }

  /**
   * Asks the process that makes the chat's live run to stop it, and waits a while until it has ended.
   * Undefined where there is nothing to stop.
   */
  async stop(chat: Pick<Chat, "id" | "ownerId">, runId?: string): Promise<Stopped | undefined> {
    const { runs, clock, shared } = this.#parts;
    if (!shared) return undefined;
    const found = await runs.live(chat.ownerId, chat.id);
    if (!found || (runId !== undefined && found.run.id !== runId)) return undefined;
    const { id } = found.run;
    if (!await runs.requestStop(chat.ownerId, id)) return undefined;
    const until = clock.now() + STOP_WAIT;
    while (clock.now() < until && !this.#closed.signal.aborted) {
      await clock.sleep(FOLLOW_EVERY, this.#closed.signal).catch(() => {});
      const found = await runs.find(chat.ownerId, id).catch(() => ({ state: "running" }));
      if (found?.state !== "running") return { runId: id, ended: true };
    }
    return { runId: id, ended: false };
  }

  /** Ends the streams of who follows. */
  close(): void {
    this.#closed.abort();
    for (const live of this.#followed.values()) live.publish([], true);
  }
}
