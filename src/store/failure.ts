import { AppError } from "../domain/errors.ts";
import { remoteCause, type RemoteError } from "./remote_error.ts";

/** The code of a database that its operator has blocked. */
const BLOCKED = "BLOCKED";

/**
 * An error of the database as an `AppError`: `storage_full` if the disk is full, `unavailable` if the
 * database is locked or out of reach, else `storage_failed`. It never shows the statement or its values.
 */
export function storageError(cause: unknown): Error {
  if (cause instanceof AppError) return cause;
  const remote = remoteCause(cause);
  if (remote) return remoteFailure(remote);
  const code = codeOf(cause);
  if (code === BLOCKED) {
    return new AppError("unavailable", "The database is blocked", {
      detail: `It says: ${reasonOf(cause)}. Nothing was stored.`,
      retryAfter: 60,
      cause,
    });
  }
  // An extended code, such as SQLITE_BUSY_SNAPSHOT, begins with the code that it is a kind of.
  switch (/^(SQLITE|TRANSACTION)_[A-Z]+/.exec(code)?.[0]) {
    case "SQLITE_FULL":
      return new AppError("storage_full", "The disk of the database is full", {
        detail: "Nothing was stored. Free some space and send it again.",
        cause,
      });
    case "SQLITE_BUSY":
    case "SQLITE_LOCKED":
    case "TRANSACTION_BUSY":
    case "TRANSACTION_TIMEOUT":
      return new AppError("unavailable", "The database is locked by another program", {
        detail: "Nothing was stored. Send it again.",
        retryAfter: 1,
        cause,
      });
    case "SQLITE_TOOBIG":
      return new AppError("too_large", "The database cannot take this", {
        detail: "It is larger than a row may be. Nothing was stored.",
        cause,
      });
    case "SQLITE_READONLY":
      return new AppError("storage_failed", "The database cannot be written", {
        detail: "Its file or folder is read-only. Nothing was stored.",
        cause,
      });
    default:
      return new AppError("storage_failed", "The database failed", {
        detail: `Nothing was stored (${code || "no code"}).`,
        cause,
      });
  }
}

/** The error for data that is stored but may not be on the disk. */
export function syncError(cause: unknown): AppError {
  return new AppError("storage_failed", "The disk of the database failed", {
    detail: "What was sent is stored, and a power cut may lose it: " +
      "send it again with its Idempotency-Key.",
    cause,
  });
}

function remoteFailure(cause: RemoteError): AppError {
  if (cause.kind === "refused") {
    return new AppError("storage_failed", "The database refuses Parley's token", {
      detail: `It answered ${cause.message}. Nothing was stored.`,
      cause,
    });
  }
  if (cause.kind === "missing") {
    return new AppError("storage_failed", "There is no such database", {
      detail: `Its server answered ${cause.message}. Nothing was stored.`,
      cause,
    });
  }
  if (cause.kind === "row_too_large") {
    const detail = `The database takes ${cause.message} in a message. Nothing was stored.`;
    return new AppError("too_large", "The database cannot take this", { detail, cause });
  }
  return new AppError("unavailable", "The database cannot be reached", {
    detail: `It gave no answer (${cause.message}). ` +
      (cause.kind === "unsent"
        ? "Nothing was stored: send it again."
        : "What was sent may be stored nevertheless: send it again with its Idempotency-Key."),
    retryAfter: 5,
    cause,
  });
}

/** True if a write was refused because a unique index already has the value. */
export function isUniqueViolation(error: unknown): boolean {
  return /UNIQUE constraint failed/.test(reasonOf(error));
}

/** True if a write was refused because a row that it builds on is missing. */
export function isMissingRow(error: unknown): boolean {
  return /(NOT NULL|FOREIGN KEY) constraint failed/.test(reasonOf(error));
}

/** SQLite's message: a remote server's code does not tell one kind of constraint from another. */
function reasonOf(error: unknown): string {
  const cause = error instanceof AppError ? error.cause : error;
  return cause instanceof Error ? cause.message : "";
}

/** SQLite's code, as both drivers give it; empty for other errors. */
function codeOf(error: unknown): string {
  const code = error instanceof Error && "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : "";
}

const OPEN_FAILURES: readonly [RegExp, string][] = [
  [/NOTADB|CORRUPT|malformed/, "is damaged or is no database. Move it away or restore a copy."],
  [/READONLY|read-?only/i, "is read-only."],
  [/SQLITE_FULL/, "cannot be opened: its disk is full."],
  [/SQLITE_BUSY|locked/, "is locked by another program."],
  [/Unable to open|CANTOPEN/, "cannot be opened: its folder is missing or not accessible."],
];

/** Why a database cannot be opened, in one line. */
export function openFailure(error: unknown, where: string): string {
  const remote = remoteCause(error);
  if (remote?.kind === "refused") {
    return `The database ${where} refuses the token: set PARLEY_DATABASE_TOKEN to one that it takes.`;
  }
  if (remote?.kind === "missing") {
    return `There is no database ${where}: its server answered ${remote.message}. ` +
      "Check PARLEY_DATABASE_URL with its path.";
  }
  if (remote) return `The database ${where} cannot be reached: ${remote.message}.`;
  if (codeOf(error) === BLOCKED) return `The database ${where} is blocked: ${reasonOf(error)}.`;
  const text = error instanceof Error
    ? `${codeOf(error)} ${error.message} ${String(error.cause ?? "")}`
    : String(error);
  const known = OPEN_FAILURES.find(([pattern]) => pattern.test(text))?.[1];
  return `The database ${where} ${
    known ?? `cannot be used: ${text.split("\n", 1)[0]?.slice(0, 300)}`
  }`;
}
