// @ts-types="./libsql.d.ts"
import Libsql from "libsql";
import { UsageError } from "../domain/errors.ts";

/** Keeps a second server off the same database file. */
export interface ServerLock {
  release(): void;
}

/** How long to wait for a lock that is just being released, in milliseconds. */
const PATIENCE = 100;

/**
 * Locks the database for as long as this process lives: by an exclusive transaction on a small file
 * beside it, which the operating system ends even after a `kill -9`.
 * @throws {UsageError} if another server has the lock, or the folder cannot be written.
 */
export function lockDatabase(databasePath: string): ServerLock {
  const path = `${databasePath}.lock`;
  try {
    const db = new Libsql(path, { timeout: PATIENCE });
    db.exec("BEGIN EXCLUSIVE");
    return {
      release() {
        db.exec("ROLLBACK");
        db.close();
      },
    };
  } catch (error) {
    throw new UsageError(
      /BUSY|locked/.test(String(error))
        ? `Another Parley is running on the database ${databasePath}.`
        : folderFailure(databasePath) ??
          `The database ${databasePath} cannot be locked: ${String(error).split("\n", 1)[0]}`,
      { cause: error },
    );
  }
}

/** Why the folder cannot be written; libSQL only says that it cannot open the file. */
function folderFailure(databasePath: string): string | undefined {
  try {
    Deno.openSync(`${databasePath}.lock`, { write: true, create: true }).close();
    return undefined;
  } catch (error) {
    const why = error instanceof Deno.errors.NotFound
      ? "is missing"
      : /read-only/i.test(String(error))
      ? "is read-only"
      : "is not accessible";
    return `The folder of the database ${databasePath} ${why}.`;
  }
}
