import { LibsqlError } from "@libsql/client";
import { AppError } from "../domain/errors.ts";
import { remoteCause, type RemoteError } from "./remote.ts";

/**
 * What the database said, as an `AppError`: a full disk is `storage_full`, one that is locked or out of
 * reach `unavailable`, anything else `storage_failed`. The statement and its values are never in it.
 */
export function storageError(error: unknown): Error {
  if (error instanceof AppError) return error;
  const remote = remoteCause(error);
  if (remote) return remoteFailure(remote);
  const code = error instanceof LibsqlError ? error.code : "";
  switch (code) {
    case "SQLITE_FULL":
      return new AppError("storage_full", "The disk of the database is full", {
        detail: "Nothing was stored. Free some space and send it again.",
        cause: error,
      });
    case "SQLITE_BUSY":
    case "SQLITE_LOCKED":
    case "TRANSACTION_BUSY":
    case "TRANSACTION_TIMEOUT":
      return new AppError("unavailable", "The database is locked by another program", {
        detail: "Nothing was stored. Send it again.",
        retryAfter: 1,
        cause: error,
      });
    case "SQLITE_READONLY":
      return new AppError("storage_failed", "The database cannot be written", {
        detail: "Its file or folder is read-only. Nothing was stored.",
        cause: error,
      });
    default:
      return new AppError("storage_failed", "The database failed", {
        detail: `Nothing was stored (${code || "no code"}).`,
        cause: error,
      });
  }
}

/** What is told where the disk does not take what the database has: it is stored all the same. */
export function syncError(cause: unknown): AppError {
  return new AppError("storage_failed", "The disk of the database failed", {
    detail: "What was sent is stored, and a power cut may lose it: " +
      "send it again with its Idempotency-Key.",
    cause,
  });
}

function remoteFailure(error: RemoteError): AppError {
  if (error.kind === "refused") {
    return new AppError("storage_failed", "The database refuses Parley's token", {
      detail: `It answered ${error.message}. Nothing was stored.`,
      cause: error,
    });
  }
  return new AppError("unavailable", "The database cannot be reached", {
    detail: `It gave no answer (${error.message}). ` +
      "What was sent may be stored nevertheless: send it again with its Idempotency-Key.",
    retryAfter: 5,
    cause: error,
  });
}

/** True where a write was refused because a unique index already has the value. */
export function isUniqueViolation(error: unknown): boolean {
  return constraintOf(error) === "SQLITE_CONSTRAINT_UNIQUE" ||
    constraintOf(error) === "SQLITE_CONSTRAINT_PRIMARYKEY";
}

/** True where a write was refused because a row that it builds on is not there. */
export function isMissingRow(error: unknown): boolean {
  return constraintOf(error) === "SQLITE_CONSTRAINT_NOTNULL" ||
    constraintOf(error) === "SQLITE_CONSTRAINT_FOREIGNKEY";
}

function constraintOf(error: unknown): string | undefined {
  const cause = error instanceof AppError ? error.cause : error;
  if (!(cause instanceof LibsqlError) || cause.code !== "SQLITE_CONSTRAINT") return undefined;
  return cause.extendedCode ?? remoteConstraint(cause.message);
}

/** A remote server gives the constraint in words only. */
function remoteConstraint(message: string): string | undefined {
  if (message.includes("UNIQUE constraint failed")) return "SQLITE_CONSTRAINT_UNIQUE";
  if (message.includes("NOT NULL constraint failed")) return "SQLITE_CONSTRAINT_NOTNULL";
  if (message.includes("FOREIGN KEY constraint failed")) return "SQLITE_CONSTRAINT_FOREIGNKEY";
  return undefined;
}
