import { type Clock, settlesWithin } from "../domain/clock.ts";
import { AppError, RunError } from "../domain/errors.ts";
import type { LogDurability } from "../domain/policies.ts";
import type { RunStore } from "../domain/ports.ts";
import type { Logger } from "../observe/log.ts";
import { type AnswerEnd, type AnswerJob, makeAnswer, StopRequested } from "./answer.ts";
import type { AttemptParts } from "./attempts.ts";
import type { ChatFeed } from "./feed.ts";
import type { LiveRun } from "./live_run.ts";
import { STOP_WAIT, type Stopped } from "./others.ts";
import { RunLog, STORAGE_FAILURE, TAKEN_OVER } from "./run_log.ts";

/** What making runs needs. */
export interface ActiveParts extends AttemptParts {
  runs: RunStore;
  feed: ChatFeed;
  clock: Clock;
  log: Logger;
  durability: LogDurability;
  /** The longest that a run may take, in milliseconds. */
  deadlineMs: number;
}

interface Active {
  live: LiveRun;
  abort: AbortController;
  /** Resolves when the run's ending is stored, or given up. */
  ended: Promise<void>;
  /** Resolves when besides its chat was told to be free. */
  done: Promise<void>;
}

/** The runs that this process makes. */
export class ActiveRuns {
  readonly #parts: ActiveParts;
  readonly #onFree: (chatId: string) => Promise<void>;
  readonly #log: RunLog;
  readonly #active = new Map<string, Active>();

  /** `onFree` is called with the chat of each run that has ended. */
  constructor(parts: ActiveParts, onFree: (chatId: string) => Promise<void>) {
    this.#parts = parts;
    this.#onFree = onFree;
    const { runs, clock, durability } = parts;
    this.#log = new RunLog(runs, clock, durability, (lives, error) => this.#fail(lives, error));
  }

  /** The ids of the runs. */
  ids(): Iterable<string> {
    return this.#active.keys();
  }

  get(runId: string): LiveRun | undefined {
    return this.#active.get(runId)?.live;
  }

  /** Makes the answer of a run that has begun, from now on and on its own. */
  start(job: AnswerJob): void {
    const { clock, deadlineMs, feed } = this.#parts;
    const { record, live } = job;
    live.move("start");
    const abort = new AbortController();
    const ended = new AbortController();
    clock.sleep(deadlineMs, ended.signal).then(() => abort.abort(deadline(deadlineMs)), () => {});
    const { id: runId, chatId, ownerId, model } = record;
    feed.publish(ownerId, { type: "run.started", chatId, runId, model });
    const isEnded = makeAnswer(job, abort.signal, { ...this.#parts, log: this.#log })
      .then((end) => this.#end(live, end))
      .catch((error) => this.#report("a run's ending is not stored", live, error))
      .finally(() => {
        ended.abort();
        this.#active.delete(runId);
      });
    const done = isEnded.then(() => this.#onFree(chatId));
    this.#active.set(runId, { live, abort, ended: isEnded, done });
  }

  /**
   * Stops the chat's run and waits a while until what it said is stored. With a run's id, only that
   * run. Undefined where there is nothing to stop.
   */
  async stop(chatId: string, runId?: string): Promise<Stopped | undefined> {
    // The one before it may still wait for the disk.
    const active = [...this.#active.values()].findLast(({ live: { identity } }) =>
      identity.chatId === chatId && (runId === undefined || identity.id === runId)
    );
    if (!active) return undefined;
    active.abort.abort(new StopRequested("stopped"));
    const ended = await settlesWithin(active.ended, STOP_WAIT, this.#parts.clock);
    return { runId: active.live.identity.id, ended };
  }

  /** Stops the runs that another process was asked to stop. */
  heed(runIds: Iterable<string>): void {
    for (const id of runIds) this.#active.get(id)?.abort.abort(new StopRequested("stopped"));
  }

  /** Ends runs that another process has taken over. */
  lose(runIds: Iterable<string>): void {
    for (const id of runIds) this.#active.get(id)?.abort.abort(new RunError(TAKEN_OVER));
  }

  /** Gives the runs `graceMs` to end, then stops them, and waits until all they said is stored. */
  async close(graceMs: number): Promise<void> {
    const done = () => Promise.allSettled([...this.#active.values()].map((run) => run.done));
    if (this.#active.size > 0 && graceMs > 0) {
      await settlesWithin(done(), graceMs, this.#parts.clock);
    }
    for (const { abort } of this.#active.values()) abort.abort(new StopRequested("shutdown"));
    this.#log.close();
    await done();
  }

  #end(live: LiveRun, { state, failure, usage }: AnswerEnd): void {
    const { feed, log, clock } = this.#parts;
    const { id: runId, chatId, ownerId, model, createdAt } = live.identity;
    // What another process has taken over has not ended.
    if (failure !== TAKEN_OVER) feed.publish(ownerId, { type: "run.ended", chatId, runId, state });
    log.log(failure ? "warn" : "info", "run", {
      run: runId,
      chat: chatId,
      model,
      state,
      failure: failure?.class,
      reason: failure?.message,
      ms: clock.now() - createdAt,
      input_tokens: usage.inputTokens,
      output_tokens: usage.outputTokens,
    });
  }

  #fail(lives: LiveRun[], error: unknown): void {
    for (const live of lives) {
      this.#report("a run's log cannot be stored", live, error);
      const abort = this.#active.get(live.identity.id)?.abort;
      abort?.abort(
        error instanceof RunError ? error : new RunError(STORAGE_FAILURE, { cause: error }),
      );
    }
  }

  #report(message: string, live: LiveRun, error: unknown): void {
    const reason = error instanceof AppError ? `${error.message}. ${error.detail}` : String(error);
    const { id: run, chatId: chat } = live.identity;
    this.#parts.log.log("error", message, { run, chat, reason });
  }
}

function deadline(deadlineMs: number): RunError {
  return new RunError({
    class: "deadline",
    message: `The answer took longer than the ${deadlineMs / 1000} s that it may take.`,
    retryable: true,
  });
}
