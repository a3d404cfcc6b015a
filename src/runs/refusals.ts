/** Why a send is not taken. */
import { AppError, type RunFailure } from "../domain/errors.ts";
import type { RunEvent } from "../domain/event.ts";
import type { RunIdentity } from "../domain/records.ts";
import { NO_USAGE } from "../domain/usage.ts";

/** The chat has a live run. */
export function busy(runId: string | undefined): AppError {
  return new AppError("conflict", "The chat is busy", {
    detail: runId === undefined
      ? "Another run was answering. Try again."
      : `Run ${runId} is answering. Wait for its end, stop it, or send with a busy policy.`,
    ...(runId !== undefined && { headers: { "parley-run-id": runId } }),
  });
}

/** The chat has been deleted. */
export function chatGone(): AppError {
  return new AppError("not_found", "The chat is gone");
}

/** The answer that is to go on is no longer the last message of its chat. */
export function movedOn(): AppError {
  return new AppError("conflict", "The chat has moved on", {
    detail: "Only the last answer of a chat can be continued.",
  });
}

/** The key is known, and came with another message. */
export function otherMessage(): AppError {
  return new AppError("unprocessable", "This Idempotency-Key came with another message", {
    detail: "Send the same message again, or take a new key.",
    validations: [{ field: "Idempotency-Key", detail: "Expected a key that is new" }],
  });
}

/** The key is known, and its message was removed. */
export function takenBack(): AppError {
  return new AppError("conflict", "The message of this Idempotency-Key was taken back", {
    detail: "It waited, and was removed before it was answered. Take a new key.",
  });
}

/** True if trying again would be refused, too. */
export function isRefusal(error: unknown): error is AppError {
  return error instanceof AppError &&
    ["bad_request", "conflict", "gone", "not_found", "too_large", "unprocessable"].includes(
      error.code,
    );
}

/** Why a message that waited is not answered. */
export function failureOf(error: unknown): RunFailure {
  const { message, detail } = error instanceof AppError
    ? error
    : { message: "Parley failed twice to begin this answer", detail: undefined };
  return {
    class: "internal",
    message: detail === undefined ? `${message}.` : `${message}. ${detail}`,
    retryable: false,
  };
}

/** What the stream of such a message says. */
export function refusal({ messageId, model }: RunIdentity, failure: RunFailure): RunEvent[] {
  return [{ type: "start", messageId, model }, { type: "error", failure, usage: NO_USAGE }];
}

/** The answer to a message that its chat has no room for. */
export function chatFull(limit: number): AppError {
  return tooLarge(`The chat is full: its messages may hold at most ${limit} bytes.`);
}

/** The answer to a message that asks for more than one may. */
export function tooLarge(detail: string): AppError {
  const message = "The chat cannot take this message";
  return new AppError("too_large", message, {
    detail,
    validations: [{ field: "message", detail }],
  });
}
