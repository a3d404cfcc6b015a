import { parseArgs, type ParseArgsOptionsConfig } from "node:util";
import { readConfig } from "../config/config.ts";
import { SETTINGS } from "../config/settings.ts";
import { showConfig } from "../config/show.ts";
import { UsageError } from "../domain/errors.ts";
import { helpText } from "./help.ts";
import { VERSION } from "../version.ts";
import type { World } from "./world.ts";

const FLAGS: ParseArgsOptionsConfig = {
  help: { type: "boolean", short: "h" },
  version: { type: "boolean", short: "V" },
  config: { type: "string" },
  name: { type: "string" },
  user: { type: "string" },
  expires: { type: "string" },
  ...Object.fromEntries(
    SETTINGS.flatMap((setting) => "flag" in setting ? [[setting.flag, { type: "string" }]] : []),
  ),
};

/**
 * Runs the program. Resolves to its exit code: 0 for success, 2 for a mistake of the caller, told in
 * one line.
 */
export async function run(world: World): Promise<number> {
  try {
    return await dispatch(world);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    world.warn(`parley: ${error.message}`);
    return 2;
  }
}

async function dispatch(world: World): Promise<number> {
  const { values, positionals } = parseFlags(world.args);
  const [command = "serve", ...rest] = positionals;
  if (values["version"]) {
    world.print(`parley ${VERSION}`);
    return 0;
  }
  if (values["help"] || command === "help") {
    world.print(helpText());
    return 0;
  }
  const flags = values as Record<string, string | undefined>;
  const config = () => readConfig({ flags, env: world.env, readFile: world.readFile });
  switch (command) {
    case "serve": {
      refuseMore(rest);
      const { serve } = await load(() => import("./serve.ts"));
      return await serve(config(), world);
    }
    case "token": {
      const { tokenCommand } = await load(() => import("./token.ts"));
      return await tokenCommand(rest, flags, config(), world);
    }
    case "config":
      refuseMore(rest);
      world.print(showConfig(config()));
      return 0;
    default:
      throw new UsageError(
        `Unknown command "${command}": expected serve, token or config. See parley --help.`,
      );
  }
}

/** Loads what stands on the database: late, since its native part is unpacked when it is loaded. */
async function load<T>(module: () => Promise<T>): Promise<T> {
  try {
    return await module();
  } catch (error) {
    throw new UsageError(
      "The database's native part cannot be loaded. It is unpacked into the folder for temporary " +
        "files: set TMPDIR to one that can be written and run from. " +
        `(${String(error).split("\n", 1)[0]})`,
    );
  }
}

function parseFlags(args: string[]) {
  try {
    return parseArgs({ args, options: FLAGS, allowPositionals: true, strict: true });
  } catch (error) {
    const [sentence] = String((error as Error).message).split(". ");
    throw new UsageError(`${sentence}. See parley --help.`);
  }
}

function refuseMore(rest: string[]): void {
  if (rest.length > 0) throw new UsageError(`Unexpected "${rest[0]}". See parley --help.`);
}
