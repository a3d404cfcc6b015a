import type { Attempt, AttemptEnd, AttemptKind } from "../domain/attempt.ts";
import { RunError, type RunFailure } from "../domain/errors.ts";
import type { RunEvent } from "../domain/event.ts";
import type { RunIdentity, StoredMessage } from "../domain/records.ts";
import { addUsage, estimateTokens, NO_USAGE, type Usage } from "../domain/usage.ts";
import { AnswerBounds, MAX_SIZE } from "../models/answer_bounds.ts";
import { easierStep } from "../models/easier.ts";
import type { Emit, Step, StepOutcome } from "../models/step.ts";
import type { CatalogModel } from "../models/catalog.ts";
import type { Parts } from "./parts.ts";
import { whileHeld } from "./patience.ts";
import { sizeOf } from "./prompt.ts";

type Needed = Pick<
  Parts,
  "call" | "attempts" | "ownership" | "clock" | "ids" | "retries" | "storedAnswer"
>;

/** The longest wait that a provider may ask for, in milliseconds: beyond it the run fails at once. */
const MAX_WAIT = 30_000;

/** The first wait, in milliseconds; each further one is twice as long. */
const FIRST_WAIT = 500;

/** The most progress of tools that a run shows, in bytes. */
const PROGRESS = 2 * 1024 * 1024;

/** Another process has ended the run: nobody sees this. */
const RUN_OVER: RunFailure = { class: "internal", message: "The run has ended.", retryable: false };

/** What is asked first, and what for. */
interface RunJob {
  attempt: Attempt;
  request: { models: readonly [CatalogModel, ...CatalogModel[]] };
  prompt: StoredMessage;
}

/** Makes the request to one model. */
export type StepFor = (model: CatalogModel) => Promise<Step>;

/**
 * The requests that a run sends to providers. Each has its attempt in the ledger, opened before the
 * request goes out; `end` says how to close the last one.
 */
export class Attempts {
  /** The attempt that is open, or was last. */
  current: Attempt;
  /** The model that is asked: once it fails, the next fallback. */
  model: CatalogModel;
  readonly #parts: Needed;
  readonly #fallbacks: CatalogModel[];
  readonly #bounds: AnswerBounds;
  /** Progress is no part of the message, and takes no room from it. */
  readonly #progress = new AnswerBounds(PROGRESS);
  #prompt = 0;
  /** When the current attempt began, by the clock that nobody sets. */
  #begun: number;
  /** Milliseconds from there to the first content; null if none has come. */
  #firstTokenMs: number | null = null;
  #characters = 0;
  /** What the provider counted for the current attempt. */
  #counted: Usage | undefined;
  /** The usage of the steps before the current one, and of its tries that were counted. */
  #spent: Usage = NO_USAGE;

  /** Begins with an attempt that is open already. An answer may go on with what was said before. */
  constructor(
    { attempt, request: { models: [model, ...fallbacks] }, prompt }: RunJob,
    parts: Needed,
  ) {
    const before = prompt.role === "assistant" ? sizeOf(prompt.parts) : 0;
    this.#bounds = new AnswerBounds(Math.min(MAX_SIZE, parts.storedAnswer - before));
    this.current = attempt;
    this.model = model;
    this.#fallbacks = fallbacks;
    this.#parts = parts;
    this.#begun = parts.clock.elapsed();
  }

  /**
   * Asks until a step is whole, or a failure that no further try can mend. After the first content of
   * a step nothing is tried again. All attempts but the last are closed.
   * @throws {RunError} the last failure; or the signal's reason once it is aborted.
   */
  async ask(stepFor: StepFor, signal: AbortSignal, emit: Emit): Promise<StepOutcome> {
    const stepOf = (model: CatalogModel) =>
      whileHeld(this.current.runId!, () => stepFor(model), this.#parts, signal);
    let step = await stepOf(this.model);
    for (let retry = 0;; retry++) {
      signal.throwIfAborted();
      this.#prompt = step.promptCharacters;
      try {
        const outcome = await this.#parts.call.stream(step, signal, emit);
        this.#counted = outcome.usage;
        return outcome;
      } catch (error) {
        if (signal.aborted || !(error instanceof RunError)) throw error;
        this.#counted = error.usage;
        const next = this.#next(error, retry, step);
        if (!next) throw error;
        await this.#close(this.end("failed", error.failure), signal);
        if (error.usage) this.#spent = addUsage(this.#spent, error.usage);
        if (next.waitMs > 0) await this.#parts.clock.sleep(next.waitMs, signal);
        await this.#open("retry", next.model, signal);
        step = next.step ?? await stepOf(next.model);
      }
    }
  }

  /** Closes the attempt of a step that is whole, and opens one for the next step. */
  async nextStep(signal: AbortSignal): Promise<void> {
    await this.#close(this.end("completed", null), signal);
    this.#spent = this.total;
    this.#firstTokenMs = null;
    this.#characters = 0;
    await this.#open("answer", this.model, signal);
  }

  /**
   * Takes note of what came from the provider, for an answer that has that many parts.
   * @throws {Trouble} `oversized` if it is too much.
   */
  count(event: RunEvent, parts: number): void {
    this.#bounds.take(event, parts);
    this.#firstTokenMs ??= Math.round(this.#parts.clock.elapsed() - this.#begun);
    if ("text" in event) this.#characters += event.text.length;
  }

  /** Counts what did not come from the provider, for an answer that has that many parts; false if it is too much. */
  takes(event: RunEvent, parts: number): boolean {
    const bounds = event.type === "tool-progress" ? this.#progress : this.#bounds;
    return bounds.takeIfFits(event, parts);
  }

  /** How the current attempt ended. */
  end(outcome: AttemptEnd["outcome"], failure: RunFailure | null): AttemptEnd {
    return {
      outcome,
      failureClass: failure?.class ?? null,
      firstTokenMs: this.#firstTokenMs,
      endedAt: this.#parts.clock.now(),
      usage: this.usage,
    };
  }

  /** The usage of all steps. */
  get total(): Usage {
    return addUsage(this.#spent, this.usage);
  }

  /** The usage of the current step. A request that was cut off was paid for all the same: an estimate. */
  get usage(): Usage {
    if (this.#counted) return this.#counted;
    if (this.#firstTokenMs === null) return { ...NO_USAGE, estimated: true };
    return {
      ...NO_USAGE,
      inputTokens: estimateTokens(this.#prompt),
      outputTokens: estimateTokens(this.#characters),
      estimated: true,
    };
  }

  /** What to try after a failure; undefined if nothing is left to try. */
  #next(
    error: RunError,
    retry: number,
    step: Step,
  ): { waitMs: number; model: CatalogModel; step?: Step } | undefined {
    if (this.#firstTokenMs !== null) return undefined;
    const { model } = this;
    const { failure } = error;
    const easier = easierStep(step, error);
    if (easier) return { waitMs: 0, model, step: easier };
    const waitMs = failure.retryAfterMs ?? FIRST_WAIT * 2 ** retry;
    if (failure.retryable && retry < this.#parts.retries && waitMs <= MAX_WAIT) {
      return { waitMs, model, step };
    }
    const fallback = this.#fallbacks.shift();
    return fallback && { waitMs: 0, model: fallback };
  }

  async #close(end: AttemptEnd, signal: AbortSignal): Promise<void> {
    const { id, runId } = this.current;
    await whileHeld(runId!, () => this.#parts.attempts.close(id, end), this.#parts, signal);
  }

  async #open(kind: AttemptKind, model: CatalogModel, signal: AbortSignal): Promise<void> {
    const { clock, ids, attempts } = this.#parts;
    // The run may have ended while this waited for the storage.
    signal.throwIfAborted();
    this.model = model;
    this.#begun = clock.elapsed();
    this.#counted = undefined;
    const asked = estimateTokens(this.#prompt);
    this.current = newAttempt(this.current, kind, model, asked, ids.uuid(), clock.now());
    const opened = this.current;
    const open = () => attempts.open(opened);
    if (!await whileHeld(opened.runId!, open, this.#parts, signal)) throw new RunError(RUN_OVER);
  }
}

/** An attempt that is about to be opened. */
export function newAttempt(
  run: Pick<RunIdentity, "chatId" | "ownerId"> & { runId: string | null },
  kind: AttemptKind,
  model: CatalogModel,
  promptTokens: number,
  id: string,
  startedAt: number,
): Attempt {
  return {
    id,
    runId: run.runId,
    chatId: run.chatId,
    ownerId: run.ownerId,
    kind,
    provider: model.provider,
    model: model.modelId,
    startedAt,
    promptTokens,
  };
}
