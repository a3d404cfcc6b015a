import { createRequire } from "node:module";
import { UsageError } from "../domain/errors.ts";
import { ensureDataDir } from "./data_dir.ts";

/**
 * Loads libSQL's native library, which the binary unpacks into the folder for temporary files; if that is
 * full, or allows no execution, into the data folder. Does nothing from source, where it lies in a file.
 * @throws {UsageError} if it can be loaded from neither.
 */
export function loadAddon(dataDir: string): void {
  if (!Deno.build.standalone) return;
  // A package of this platform's addon alone, as the build left it beside the code.
  const folder = `${import.meta.dirname}/node_modules/@libsql`;
  const [addon] = [...Deno.readDirSync(folder)].map(({ name }) => `${folder}/${name}`);
  const require = createRequire(import.meta.url);
  try {
    require(addon!);
  } catch {
    ensureDataDir(dataDir);
    Deno.env.set("TMPDIR", dataDir);
    try {
      require(addon!);
    } catch (error) {
      throw new UsageError(
        "Cannot load the database's native library. Parley unpacks it into the folder for temporary " +
          "files, or into the data folder: set TMPDIR to a folder that is writable and allows " +
          `execution. (${String(error).split("\n", 1)[0]})`,
      );
    }
  }
}
