import { settlesWithin } from "../domain/clock.ts";
import { RunError } from "../domain/errors.ts";
import type { RunRecord } from "../domain/records.ts";
import { type RunEnd, StopRequested } from "./ending.ts";
import type { ChatEvent } from "./feed.ts";
import { TAKEN_OVER } from "./group_commit.ts";
import { STOP_WAIT, type Stopped } from "./ownership.ts";
import type { Parts } from "./parts.ts";
import { Run } from "./run.ts";
import type { RunJob } from "./run_job.ts";
import { isTakenOver, RunLog } from "./run_log.ts";
import type { RunStream } from "./run_stream.ts";

/** The runs that this process makes. */
export class ActiveRuns {
  readonly #parts: Parts;
  readonly #log: RunLog;
  readonly #runs = new Map<string, Run>();

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#log = new RunLog(parts);
  }

  /** The ids of the runs. */
  ids(): string[] {
    return [...this.#runs.keys()];
  }

  get(runId: string): Run | undefined {
    return this.#runs.get(runId);
  }

  /** Makes a run that is stored, from now on and on its own. */
  start(job: RunJob, stream: RunStream): Run {
    const run = new Run(job, stream, this.#log, this.#parts);
    const { id: runId, chatId, ownerId, model } = run.record;
    this.#runs.set(runId, run);
    const begun = this.#parts.clock.elapsed();
    this.tell(ownerId, { type: "run.started", chatId, runId, model });
    run.ended.then((end) => {
      this.#runs.delete(runId);
      this.#onEnded(run, end, this.#parts.clock.elapsed() - begun);
    });
    return run;
  }

  /**
   * Stops the chat's run and waits a while until what it said is stored. With a run's id, only that
   * run. Undefined if there is nothing to stop.
   */
  stop(chatId: string, runId?: string): Promise<Stopped> | undefined {
    // The run before the live one may still wait for the disk.
    const run = [...this.#runs.values()].findLast(({ record }) =>
      record.chatId === chatId && (runId === undefined || record.id === runId)
    );
    if (!run) return undefined;
    run.abort(new StopRequested("stopped"));
    return settlesWithin(run.ended, STOP_WAIT, this.#parts.clock)
      .then((ended) => ({ runId: run.record.id, ended }));
  }

  /** Stops a live run, whichever process makes it. Undefined if it is not live any more. */
  async stopAnywhere(live: RunRecord): Promise<Stopped | undefined> {
    return await this.stop(live.chatId, live.id) ?? await this.#parts.ownership.stop(live);
  }

  /** Stops runs that another process was asked to stop. */
  stopAll(runIds: Iterable<string>): void {
    for (const id of runIds) this.#runs.get(id)?.abort(new StopRequested("stopped"));
  }

  /** Ends runs that another process has taken over. */
  lose(runIds: Iterable<string>): void {
    for (const id of runIds) this.#runs.get(id)?.abort(new RunError(TAKEN_OVER.failure));
  }

  /** Gives the runs `graceMs` to end, then stops them, and waits until all they said is stored. */
  async close(graceMs: number): Promise<void> {
    const ended = () => Promise.all([...this.#runs.values()].map((run) => run.ended));
    if (this.#runs.size > 0 && graceMs > 0) {
      await settlesWithin(ended(), graceMs, this.#parts.clock);
    }
    for (const run of this.#runs.values()) run.abort(new StopRequested("shutdown"));
    this.#log.close();
    await ended();
  }

  #onEnded({ record, asked }: Run, { state, failure, usage, model }: RunEnd, ms: number): void {
    const { id: runId, chatId, ownerId } = record;
    // A run that another process has taken over has not ended.
    if (!failure || !isTakenOver(failure)) {
      this.tell(ownerId, { type: "run.ended", chatId, runId, state });
    }
    for (const { id: approvalId, tool } of asked) {
      this.tell(ownerId, { type: "approval.requested", chatId, approvalId, tool });
    }
    this.#parts.logger.log(failure ? "warn" : "info", "run", {
      run: runId,
      chat: chatId,
      model,
      state,
      failure: failure?.class,
      reason: failure?.message,
      ms: Math.round(ms),
      input_tokens: usage.inputTokens,
      output_tokens: usage.outputTokens,
    });
  }

  /** Tells watchers. The feed is news: no run depends on it. */
  tell(ownerId: string, event: ChatEvent): void {
    try {
      this.#parts.feed.publish(ownerId, event);
    } catch (error) {
      this.#parts.logger.log("error", "the feed failed", { reason: String(error) });
    }
  }
}
