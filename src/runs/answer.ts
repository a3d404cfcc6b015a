import type { Attempt } from "../domain/attempt.ts";
import type { Clock, IdGenerator } from "../domain/clock.ts";
import { Assembly } from "../domain/assembly.ts";
import { RunError, type RunFailure } from "../domain/errors.ts";
import type { FinishReason, RunEvent } from "../domain/event.ts";
import type { MessageStatus } from "../domain/message.ts";
import type { RunEnding } from "../domain/ports.ts";
import { estimateTokens, NO_USAGE, type Usage } from "../domain/usage.ts";
import { estimatePrompt, type ModelCall, type Step } from "../models/call.ts";
import type { LiveRun } from "./live_run.ts";
import type { RunLog } from "./run_log.ts";

/** What making an answer needs. */
export interface AnswerParts {
  call: ModelCall;
  log: RunLog;
  clock: Clock;
  ids: IdGenerator;
}

/** How an answer ended, and the ending that stores it. */
interface Outcome {
  state: MessageStatus;
  finishReason: FinishReason;
  usage: Usage;
  failure: RunFailure | null;
}

/** Thrown into a run, as its signal's reason, to end it as stopped. */
export class StopRequested extends Error {
  override readonly name = "StopRequested";
}

/**
 * Makes one answer: asks the model, logs what comes, and stores the end. Never rejects for what a
 * provider does; rejects only where the ending cannot be stored.
 */
export async function makeAnswer(
  run: LiveRun,
  step: Step,
  attempt: Attempt,
  signal: AbortSignal,
  parts: AnswerParts,
): Promise<void> {
  const { clock, log } = parts;
  const assembly = new Assembly();
  const progress = { firstContentAt: null as number | null, characters: 0 };
  const emit = (event: RunEvent) => {
    progress.firstContentAt ??= clock.now();
    if ("text" in event) progress.characters += event.text.length;
    assembly.apply(event);
    log.append(run, event);
  };
  const { messageId, model } = run.record;
  log.append(run, { type: "start", messageId, model });
  log.append(run, { type: "step-start", messageId });
  assembly.apply({ type: "step-start", messageId });

  const outcome = await parts.call.stream(step, signal, emit).then(
    (end): Outcome => ({ state: "completed", failure: null, ...end }),
    (error): Outcome => ({
      ...failedOutcome(error),
      usage: estimateUsage(step, progress.characters, progress.firstContentAt !== null),
    }),
  );
  for (const event of endEvents(run, outcome)) log.append(run, event);
  await log.end(run, ending(run, outcome, assembly, attempt, progress.firstContentAt, parts));
}

function failedOutcome(error: unknown): Omit<Outcome, "usage"> {
  if (error instanceof StopRequested) {
    return { state: "stopped", finishReason: "other", failure: null };
  }
  const failure: RunFailure = error instanceof RunError ? error.failure : {
    class: "internal",
    message: "Parley failed while it made this answer.",
    retryable: true,
  };
  return { state: "failed", finishReason: "error", failure };
}

/** A request that was cut off was paid for all the same: its tokens are counted here. */
function estimateUsage(step: Step, characters: number, answered: boolean): Usage {
  if (!answered) return { ...NO_USAGE, estimated: true };
  return {
    ...NO_USAGE,
    inputTokens: estimatePrompt(step.prompt),
    outputTokens: estimateTokens(characters),
    estimated: true,
  };
}

function endEvents(run: LiveRun, { state, finishReason, usage, failure }: Outcome): RunEvent[] {
  if (failure) return [{ type: "error", failure, usage }];
  if (state === "failed") throw new Error("a failed run without a failure");
  return [
    { type: "step-finish", finishReason, usage },
    { type: "finish", state, finishReason, usage, model: run.record.model },
  ];
}

function ending(
  run: LiveRun,
  { state, finishReason, usage, failure }: Outcome,
  assembly: Assembly,
  attempt: Attempt,
  firstContentAt: number | null,
  { clock, ids }: AnswerParts,
): RunEnding {
  const endedAt = clock.now();
  const answer = assembly.parts({ ended: true });
  const said = answer.some((part) => part.type !== "step-start");
  return {
    run: run.record,
    state,
    failure,
    endedAt,
    message: said || state === "completed"
      ? {
        key: ids.uuid(),
        parentKey: run.record.promptKey,
        id: run.record.messageId,
        role: "assistant",
        parts: answer,
        metadata: {},
        status: state,
        model: run.record.model,
        finishReason,
        usage,
        createdAt: run.record.createdAt,
      }
      : null,
    attempt: {
      id: attempt.id,
      end: {
        outcome: state,
        failureClass: failure?.class ?? null,
        firstTokenMs: firstContentAt === null ? null : firstContentAt - attempt.startedAt,
        endedAt,
        usage,
      },
    },
  };
}
