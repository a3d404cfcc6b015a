import type { Clock } from "../domain/clock.ts";
import { DataFiles } from "./data_files.ts";
import { type Database, type DatabaseOptions, openDatabase } from "./database.ts";
import { lockDatabase } from "./lock.ts";
import { filePath } from "./path.ts";
import { freeBytes, Reserve } from "./reserve.ts";

/** An open database, with what releases it. */
export interface Storage {
  db: Database;
  /** Its files; undefined if it is remote. */
  files: DataFiles | undefined;
  close(): Promise<void>;
}

/**
 * Opens the database of a server. A local file is locked for this process alone, and has a reserve
 * beside it; a remote database is shared.
 */
export async function openStorage(options: DatabaseOptions, clock: Clock): Promise<Storage> {
  const path = filePath(options.url);
  if (path === undefined) {
    const db = await openDatabase(options);
    return { db, files: undefined, close: () => db.close() };
  }
  const lock = lockDatabase(path);
  try {
    const reserve = new Reserve(path, freeBytes);
    const db = await openDatabase({ ...options, reserve });
    const files = await DataFiles.of(path, Deno.stat, clock);
    await reserve.make();
    const close = async () => {
      await db.close();
      lock.release();
    };
    return { db, files, close };
  } catch (error) {
    lock.release();
    throw error;
  }
}
