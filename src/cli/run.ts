import { parseArgs, type ParseArgsOptionsConfig } from "node:util";
import { effective, readSources } from "../config/config.ts";
import { meant } from "../config/given.ts";
import { showConfig } from "../config/show.ts";
import { UsageError } from "../domain/errors.ts";
import { loadAddon } from "./addon.ts";
import { COMMANDS, helpText } from "./help.ts";
import type { TokenAction } from "./token.ts";
import { VERSION } from "../version.ts";
import type { World } from "./world.ts";

const OPTIONS: ParseArgsOptionsConfig = {
  help: { type: "boolean", short: "h" },
  version: { type: "boolean", short: "V" },
  config: { type: "string" },
  ...Object.fromEntries(
    Object.values(COMMANDS).flatMap(({ flags }) => flags).map((flag) => [flag, { type: "string" }]),
  ),
  json: { type: "boolean" },
};

/** Flags of every command. */
const COMMON = ["help", "version", "config"];

/** Runs the program. Resolves to the exit code: 2 for a usage error, which it reports in one line. */
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
  if (values["version"]) {
    world.print(`parley ${VERSION}`);
    return 0;
  }
  if (values["help"] || positionals[0] === "help") {
    world.print(helpText(positionals.filter((word) => word !== "help")));
    return 0;
  }
  const [name, rest] = commandOf(positionals);
  refuseOthers(name, rest, Object.keys(values));
  const flags = values as Record<string, string | undefined>;
  const sources = { flags, env: world.env, readFile: world.readFile };
  if (name === "config") {
    const read = readSources(sources);
    for (const warning of effective(read).warnings) world.warn(`parley: warning: ${warning}`);
    world.print(showConfig(read));
    return 0;
  }
  const config = effective(readSources(sources));
  loadAddon(config.dataDir);
  // Only now, since these use it.
  if (name === "serve") {
    const { serve } = await import("./serve.ts");
    return await serve(config, world);
  }
  const { tokenCommand } = await import("./token.ts");
  return await tokenCommand(name.replace("token ", "") as TokenAction, rest, flags, config, world);
}

/** The command that the words begin with, and the words after it. */
function commandOf([first = "serve", second, ...rest]: string[]): [name: string, rest: string[]] {
  if (first === "token") {
    const name = `token ${second}`;
    if (Object.hasOwn(COMMANDS, name)) return [name, rest];
    throw new UsageError(
      `Expected parley token create, list or revoke, found ${second ?? "nothing"}.`,
    );
  }
  if (Object.hasOwn(COMMANDS, first)) return [first, second === undefined ? [] : [second, ...rest]];
  throw new UsageError(
    `Unknown command "${first}": expected serve, token or config. See parley --help.`,
  );
}

function refuseOthers(name: string, rest: string[], flags: string[]): void {
  const command = COMMANDS[name]!;
  const more = rest[command.words];
  if (more !== undefined) throw new UsageError(`Unexpected "${more}". See parley ${name} --help.`);
  const other = flags.find((flag) => !COMMON.includes(flag) && !command.flags.includes(flag));
  if (other === undefined) return;
  throw new UsageError(`parley ${name} takes no --${other}. See parley ${name} --help.`);
}

function parseFlags(args: string[]) {
  try {
    return parseArgs({ args, options: OPTIONS, allowPositionals: true, strict: true });
  } catch (error) {
    const [sentence = ""] = String((error as Error).message).split(". ");
    const [, unknown] = /Unknown option '--([^']*)'/.exec(sentence) ?? [];
    const hint = unknown === undefined ? "" : meant(unknown, Object.keys(OPTIONS), "--");
    throw new UsageError(`${sentence}${hint || ". See parley --help."}`);
  }
}
