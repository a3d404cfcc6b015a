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
    const text = String(error);
    throw new UsageError(
      /BUSY|locked/.test(text)
        ? `Another Parley is running on the database ${databasePath}.`
        : /READONLY/.test(text)
        ? `The folder of the database ${databasePath} is read-only.`
        : `The folder of the database ${databasePath} is missing or not accessible.`,
      { cause: error },
    );
  }
}
