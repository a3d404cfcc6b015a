/** Why a send is not taken. */
import { AppError } from "../domain/errors.ts";

/** The chat has a live run. */
export function busy(runId: string | undefined): AppError {
  return new AppError("conflict", "The chat is busy", {
    detail: runId === undefined
      ? "Another run was answering. Send again."
      : `Run ${runId} is answering. Wait for its end, stop it, or send with a busy policy.`,
    ...(runId !== undefined && { headers: { "parley-run-id": runId } }),
  });
}

/** The process is about to end. */
export function shuttingDown(): AppError {
  return new AppError("unavailable", "Parley is shutting down", { retryAfter: 5 });
}

/** The key is known, and what came with it is another. */
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

/** True for what would be refused each time it is tried. */
export function isRefusal(error: unknown): error is AppError {
  return error instanceof AppError &&
    ["bad_request", "conflict", "not_found", "unprocessable"].includes(error.code);
}
