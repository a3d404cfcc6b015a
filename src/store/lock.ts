import { type Client, createClient, type Transaction } from "@libsql/client";
import { UsageError } from "../domain/errors.ts";

/** Keeps a second server off the same database file. */
export interface ServerLock {
  release(): void;
}

/**
 * Takes the lock of the database at `databasePath`, for as long as this process lives: an exclusive
 * transaction on a small file beside it, which the operating system frees even after a `kill -9`.
 * @throws {UsageError} where another server has it, or its folder cannot be written.
 */
export async function lockDatabase(databasePath: string): Promise<ServerLock> {
  let client: Client | undefined;
  checkWritable(databasePath);
  try {
    client = createClient({ url: `file:${databasePath}.lock`, concurrency: 1, timeout: 100 });
    const transaction: Transaction = await client.transaction("write");
    // A write transaction on an empty file takes no lock until it writes.
    await transaction.execute("CREATE TABLE IF NOT EXISTS held (by INTEGER)");
    const held = client;
    return {
      release() {
        transaction.close();
        held.close();
      },
    };
  } catch (error) {
    client?.close();
    const busy = /BUSY|locked/.test(String(error));
    throw new UsageError(
      busy
        ? `Another Parley is running on the database ${databasePath}.`
        : `The database ${databasePath} cannot be locked: ${String(error).split("\n", 1)[0]}`,
      { cause: error },
    );
  }
}

/** libSQL says of every folder that it cannot write in only that it cannot open a file. */
function checkWritable(databasePath: string): void {
  try {
    Deno.openSync(`${databasePath}.lock`, { write: true, create: true }).close();
  } catch (error) {
    const why = error instanceof Deno.errors.NotFound
      ? "is missing"
      : /read-only/i.test(String(error))
      ? "is read-only"
      : "is not accessible";
    throw new UsageError(`The folder of the database ${databasePath} ${why}.`, { cause: error });
  }
}
