/** A database file of a test's own. */
import { type Database, openDatabase } from "../../src/store/database.ts";

/** Opens one in a folder of its own, or again in the folder that is given. */
export async function testDatabase(
  dir?: string,
): Promise<Database & AsyncDisposable & { dir: string }> {
  const folder = dir ?? await Deno.makeTempDir({ prefix: "parley-db-" });
  const db = await openDatabase({
    url: `file:${folder}/parley.db`,
    migrations: new URL("../../migrations", import.meta.url).pathname,
  });
  return {
    ...db,
    dir: folder,
    async [Symbol.asyncDispose]() {
      await db.close();
      if (dir === undefined) await Deno.remove(folder, { recursive: true });
    },
  };
}
