/** How a run ends, as events, as a message and as rows: pure. */
import { RunError, type RunFailure } from "../domain/errors.ts";
import type { FinishReason, RunEvent } from "../domain/event.ts";
import { type MessageStatus, type Part, saysAnything } from "../domain/message.ts";
import type { RunEnding, RunRecord, StoredMessage } from "../domain/records.ts";
import { endOf } from "../domain/run.ts";
import { addUsage, type Usage } from "../domain/usage.ts";

/** How a run ended. */
export interface RunEnd {
  state: MessageStatus;
  finishReason: FinishReason;
  failure: RunFailure | null;
  /** The usage of all its steps, and that of the last one. */
  usage: Usage;
  stepUsage: Usage;
  /** The id of the model that answered: the run's own, or a fallback. */
  model: string;
}

/** The reason of a run's signal that ends the run as stopped. */
export class StopRequested extends Error {
  override readonly name = "StopRequested";
}

/** The reason of a run's signal that ends the run at its deadline. */
export function tooLate(deadlineMs: number): RunError {
  return new RunError({
    class: "deadline",
    message: `The answer took longer than the ${deadlineMs / 1000} s that it may take.`,
    retryable: true,
  });
}

/** The end of a run in which something threw, whatever it was. */
export function endByError(error: unknown): Pick<RunEnd, "state" | "finishReason" | "failure"> {
  if (error instanceof StopRequested) {
    return { state: endOf("stop"), finishReason: "other", failure: null };
  }
  const failure: RunFailure = error instanceof RunError ? error.failure : {
    class: "internal",
    message: "Parley failed while it made this answer.",
    retryable: true,
  };
  return { state: endOf("fail"), finishReason: "error", failure };
}

/** The events that end a run's streams, maybe in a step. `before` is the answer that the run continues. */
export function endEvents(
  { state, finishReason, failure, usage, stepUsage, model }: RunEnd,
  before: StoredMessage | undefined,
  { inStep }: { inStep: boolean },
): RunEvent[] {
  const making = {
    usage,
    ...(before?.usage && { messageUsage: addUsage(before.usage, usage) }),
    model,
  };
  if (failure) return [{ type: "error", failure, ...making }];
  return [
    ...(inStep ? [{ type: "step-finish" as const, finishReason, usage: stepUsage }] : []),
    {
      type: "finish",
      state: state as Exclude<MessageStatus, "failed">,
      finishReason,
      ...making,
    },
  ];
}

/** What the end of a run is stored from. */
export interface EndingOptions {
  run: RunRecord;
  /** The answer that the run continues. */
  before: StoredMessage | undefined;
  end: RunEnd;
  /** The parts of the answer. */
  parts: Part[];
  /** The key of the answer, if it is a new message. */
  key: string;
  endedAt: number;
  attempt: RunEnding["attempt"];
  calls?: RunEnding["calls"];
}

/** The end of a run as it is stored, with its answer if it says anything. */
export function endingOf(
  { run, before, end, parts, key, endedAt, attempt, calls }: EndingOptions,
): RunEnding {
  const { state, failure } = end;
  return {
    run,
    state,
    failure,
    endedAt,
    message: saysAnything(parts) || state === "completed"
      ? answerMessage(run, before, end, parts, key)
      : null,
    attempt,
    ...(calls && { calls }),
  };
}

function answerMessage(
  run: RunRecord,
  before: StoredMessage | undefined,
  { state, failure, finishReason, usage, model }: RunEnd,
  parts: Part[],
  key: string,
): StoredMessage {
  return {
    key: before?.key ?? key,
    parentKey: before ? before.parentKey : run.promptKey,
    id: run.messageId,
    role: "assistant",
    parts,
    metadata: before?.metadata ?? {},
    status: state,
    failure,
    model,
    finishReason,
    usage: before?.usage ? addUsage(before.usage, usage) : usage,
    createdAt: before?.createdAt ?? run.createdAt,
  };
}

/** What `make` gives, or undefined if it throws: nothing may keep a run from its ending. */
export function attempt<T>(make: () => T): T | undefined {
  try {
    return make();
  } catch {
    return undefined;
  }
}
