import { UsageError } from "../domain/errors.ts";

/**
 * Makes the data folder where it is missing, for its owner alone.
 * @throws {UsageError} where that cannot be.
 */
export function ensureDataDir(path: string): void {
  // Chats and tokens are their owner's alone. Not sooner: the database's native part, unpacked before,
  // may be another user's too.
  if (Deno.build.os !== "windows") Deno.umask(0o077);
  try {
    Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new UsageError(`The data folder ${path} cannot be made: ${(error as Error).message}`);
  }
  if (!Deno.statSync(path).isDirectory) {
    throw new UsageError(`The data folder ${path} is not a folder.`);
  }
}
