import type { Attempt, AttemptEnd, AttemptKind } from "../domain/attempt.ts";
import type { Clock, IdGenerator } from "../domain/clock.ts";
import { RunError, type RunFailure } from "../domain/errors.ts";
import type { Ledger, RunIdentity } from "../domain/ports.ts";
import { estimateTokens, NO_USAGE, type Usage } from "../domain/usage.ts";
import {
  type Emit,
  estimatePrompt,
  type ModelCall,
  type Step,
  type StepOutcome,
} from "../models/call.ts";
import type { CatalogModel } from "../models/catalog.ts";

/** What asking a provider, more than once if need be, needs. */
export interface AttemptParts {
  call: ModelCall;
  ledger: Ledger;
  clock: Clock;
  ids: IdGenerator;
  /** How often a failure before the first content is tried again. */
  retries: number;
}

/** The longest wait that a provider may ask for, in milliseconds: beyond it the run fails at once. */
const MAX_WAIT = 30_000;

/** The first wait, in milliseconds; each further one is twice as long. */
const FIRST_WAIT = 500;

/** The requests that one step takes: each has its row in the ledger, opened before it goes out. */
export class Attempts {
  /** The attempt that is open, or was last. */
  current: Attempt;
  /** When content first came from the current attempt; null while none has. */
  firstContentAt: number | null = null;
  #characters = 0;
  readonly #parts: AttemptParts;
  readonly #fallbacks: Step[];
  #step: Step;

  /** Begins with an attempt that is in the ledger already. */
  constructor(opened: Attempt, step: Step, fallbacks: Step[], parts: AttemptParts) {
    this.current = opened;
    this.#step = step;
    this.#fallbacks = [...fallbacks];
    this.#parts = parts;
  }

  /**
   * Asks until there is an answer, or a failure that no further try can mend. After the first content
   * nothing is tried again. All attempts but the last are closed.
   * @throws {RunError} the last failure; or the signal's reason once it is aborted.
   */
  async run(signal: AbortSignal, emit: Emit): Promise<StepOutcome> {
    const counted: Emit = (event) => {
      this.firstContentAt ??= this.#parts.clock.now();
      if ("text" in event) this.#characters += event.text.length;
      return emit(event);
    };
    for (let retry = 0;; retry++) {
      try {
        return await this.#parts.call.stream(this.#step, signal, counted);
      } catch (error) {
        if (signal.aborted || !(error instanceof RunError)) throw error;
        const next = this.#next(error.failure, retry);
        if (!next) throw error;
        await this.#parts.ledger.close(this.current.id, this.end("failed", error.failure));
        await this.#open(next, signal);
      }
    }
  }

  /** How the current attempt ended, as the ledger takes it; without `usage` it is estimated. */
  end(outcome: AttemptEnd["outcome"], failure: RunFailure | null, usage?: Usage): AttemptEnd {
    return {
      outcome,
      failureClass: failure?.class ?? null,
      firstTokenMs: this.firstContentAt === null
        ? null
        : this.firstContentAt - this.current.startedAt,
      endedAt: this.#parts.clock.now(),
      usage: usage ?? this.estimate(),
    };
  }

  /** A request that was cut off was paid for all the same: its tokens are counted here. */
  estimate(): Usage {
    if (this.firstContentAt === null) return { ...NO_USAGE, estimated: true };
    return {
      ...NO_USAGE,
      inputTokens: estimatePrompt(this.#step.prompt),
      outputTokens: estimateTokens(this.#characters),
      estimated: true,
    };
  }

  /** What to try after a failure: a wait and a step; undefined where nothing is left to try. */
  #next(failure: RunFailure, retry: number): { waitMs: number; step: Step } | undefined {
    if (this.firstContentAt !== null) return undefined;
    if (failure.class === "provider_refused" && this.#step.thinking) {
      // A model that cannot reason just answers.
      return { waitMs: 0, step: { ...this.#step, thinking: false } };
    }
    const waitMs = failure.retryAfterMs ?? FIRST_WAIT * 2 ** retry;
    if (failure.retryable && retry < this.#parts.retries && waitMs <= MAX_WAIT) {
      return { waitMs, step: this.#step };
    }
    const fallback = this.#fallbacks.shift();
    return fallback && { waitMs: 0, step: fallback };
  }

  async #open(
    { waitMs, step }: { waitMs: number; step: Step },
    signal: AbortSignal,
  ): Promise<void> {
    const { clock, ids, ledger } = this.#parts;
    if (waitMs > 0) await clock.sleep(waitMs, signal);
    signal.throwIfAborted();
    const attempt = newAttempt(this.current, "retry", step.model, ids.uuid(), clock.now());
    await ledger.open(attempt);
    this.#step = step;
    this.current = attempt;
  }
}

/** A row for the ledger. */
export function newAttempt(
  run: Pick<RunIdentity, "chatId" | "ownerId"> & { runId: string | null },
  kind: AttemptKind,
  model: CatalogModel,
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
  };
}
