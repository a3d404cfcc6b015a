import { UsageError } from "../domain/errors.ts";

/**
 * Creates the data folder if it is missing, accessible only to its owner.
 * @throws {UsageError} if that fails.
 */
export function ensureDataDir(path: string): void {
  keepPrivate();
  try {
    Deno.mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new UsageError(`Cannot create the data folder ${path}: ${(error as Error).message}`);
  }
  if (!Deno.statSync(path).isDirectory) {
    throw new UsageError(`The data folder ${path} is not a folder.`);
  }
}

/** Lets only the owner access files from now on. Other users may share the unpacked native library. */
export function keepPrivate(): void {
  if (Deno.build.os !== "windows") Deno.umask(0o077);
}
