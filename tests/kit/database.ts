/** Databases of a test's own. */
import { type Database, openDatabase } from "../../src/store/database.ts";
import { type RemoteDatabase, startRemoteDatabase } from "./remote_database.ts";

/** The program's migrations. */
export const MIGRATIONS = new URL("../../migrations", import.meta.url).pathname;

/** Opens a file in a folder of its own, or again in the folder that is given. */
export async function testDatabase(
  dir?: string,
): Promise<Database & AsyncDisposable & { dir: string }> {
  const folder = dir ?? await Deno.makeTempDir({ prefix: "parley-db-" });
  const db = await openDatabase({ url: `file:${folder}/parley.db`, migrations: MIGRATIONS });
  return Object.assign(db, {
    dir: folder,
    async [Symbol.asyncDispose]() {
      await db.close();
      if (dir === undefined) await Deno.remove(folder, { recursive: true });
    },
  });
}

/** A database behind a line, with what serves it. */
export async function testRemote(): Promise<
  Database & AsyncDisposable & { server: RemoteDatabase }
> {
  const server = await startRemoteDatabase();
  const { url, token } = server;
  const db = await openDatabase({ url, token, migrations: MIGRATIONS });
  return Object.assign(db, {
    server,
    async [Symbol.asyncDispose]() {
      await db.close();
      await server[Symbol.asyncDispose]();
    },
  });
}

/** The kinds of database, each of which must do the same. */
export const DATABASES: Readonly<Record<string, () => Promise<Database & AsyncDisposable>>> = {
  "a file": testDatabase,
  "a remote database": testRemote,
};
