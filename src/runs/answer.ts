import { Assembly } from "../domain/assembly.ts";
import type { Attempt } from "../domain/attempt.ts";
import { RunError, type RunFailure } from "../domain/errors.ts";
import type { FinishReason, RunEvent } from "../domain/event.ts";
import { type MessageStatus, messageText, type Part, saysAnything } from "../domain/message.ts";
import type { RunEnding, RunRecord, StoredMessage } from "../domain/ports.ts";
import { endOf } from "../domain/run.ts";
import { addUsage, type Usage } from "../domain/usage.ts";
import { outputFailure } from "../models/output.ts";
import type { Emit, Step } from "../models/call.ts";
import { type AttemptParts, Attempts } from "./attempts.ts";
import type { Continuation } from "./continuation.ts";
import type { LiveRun } from "./live_run.ts";
import type { RunLog } from "./run_log.ts";

/** One answer to make. */
export interface AnswerJob {
  record: RunRecord;
  live: LiveRun;
  step: Step;
  /** What to ask where the step's own model does not answer, in order. */
  fallbacks: Step[];
  /** The first attempt, in the ledger already. */
  attempt: Attempt;
  /** The answer that is continued with the results of its tool calls. */
  before?: StoredMessage;
  /** Where the answer goes on with what a process before this one left. */
  continuation?: Continuation;
}

/** What making an answer needs. */
export interface AnswerParts extends AttemptParts {
  log: RunLog;
}

/** How an answer ended. */
export interface AnswerEnd {
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
  job: AnswerJob,
  signal: AbortSignal,
  parts: AnswerParts,
): Promise<AnswerEnd> {
  const { record, live, continuation } = job;
  const assembly = continuation?.assembly ?? new Assembly(job.before?.parts);
  const log: Emit = (event) => {
    assembly.apply(event);
    return parts.log.append(live, event);
  };
  if (!continuation) {
    log({ type: "start", messageId: record.messageId, model: record.model });
    log({ type: "step-start", messageId: record.messageId });
  }
  const attempts = new Attempts(job.attempt, job.step, job.fallbacks, parts);
  const emit = continuation ? continuation.joined(log) : log;
  const end = await attempts.run(signal, emit).then(
    (outcome): AnswerEnd => {
      const { output } = job.step;
      const failure = output &&
        outputFailure(messageText({ parts: assembly.parts({ ended: false }) }), output);
      return failure
        ? { state: endOf("fail"), failure, finishReason: "error", usage: outcome.usage }
        : { state: endOf("complete"), failure: null, ...outcome };
    },
    (error): AnswerEnd => ({ ...endByError(error), usage: attempts.estimate() }),
  );
  for (const event of [...assembly.closing(), ...endEvents(record, job.before, end)]) log(event);
  live.move(TRANSITION_TO[end.state]);
  const ending = endingOf(job, end, assembly, attempts, parts);
  const failure = await parts.log.end(live, ending);
  if (!failure) return end;
  // History is what clients have seen, so it ends where their streams did.
  const late: AnswerEnd = { ...end, ...endByError(new RunError(failure)) };
  await parts.log.endLate(live, (events) => {
    const seen = new Assembly(job.before?.parts);
    for (const event of events) seen.apply(event);
    return endingOf(job, late, seen, attempts, parts);
  });
  // Where another process has the run's ending, this one's last request is still its own to close.
  const { current } = attempts;
  await parts.ledger.close(current.id, attempts.end(late.state, late.failure, late.usage));
  return late;
}

/** The answer of a run as it is stored: a new message, or the one that the run continues. */
export function answerMessage(
  run: RunRecord,
  before: StoredMessage | undefined,
  { state, finishReason, usage }: Pick<AnswerEnd, "state" | "finishReason" | "usage">,
  { parts, key }: { parts: Part[]; key: string },
): StoredMessage {
  return {
    key: before?.key ?? key,
    parentKey: before ? before.parentKey : run.promptKey,
    id: run.messageId,
    role: "assistant",
    parts,
    metadata: before?.metadata ?? {},
    status: state,
    model: run.model,
    finishReason,
    usage: before?.usage ? addUsage(before.usage, usage) : usage,
    createdAt: before?.createdAt ?? run.createdAt,
  };
}

/** The events that end a run's streams. */
export function endEvents(
  { model }: RunRecord,
  before: StoredMessage | undefined,
  { state, finishReason, usage, failure }: AnswerEnd,
): RunEvent[] {
  const making = {
    usage,
    ...(before?.usage && { messageUsage: addUsage(before.usage, usage) }),
    model,
  };
  if (failure) return [{ type: "error", failure, ...making }];
  return [
    { type: "step-finish", finishReason, usage },
    {
      type: "finish",
      state: state as Exclude<MessageStatus, "failed">,
      finishReason,
      ...making,
    },
  ];
}

const TRANSITION_TO = {
  completed: "complete",
  stopped: "stop",
  interrupted: "interrupt",
  failed: "fail",
} as const;

function endByError(error: unknown): Omit<AnswerEnd, "usage"> {
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

function endingOf(
  { record, before }: AnswerJob,
  { state, finishReason, usage, failure }: AnswerEnd,
  assembly: Assembly,
  attempts: Attempts,
  { ids }: AnswerParts,
): RunEnding {
  const end = attempts.end(state, failure, usage);
  const answer = assembly.parts({ ended: true });
  return {
    run: record,
    state,
    failure,
    endedAt: end.endedAt,
    message: saysAnything(answer) || state === "completed"
      ? answerMessage(record, before, { state, finishReason, usage }, {
        parts: answer,
        key: ids.uuid(),
      })
      : null,
    attempt: { id: attempts.current.id, end },
  };
}
