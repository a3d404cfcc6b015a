import { SETTINGS } from "../config/settings.ts";

/** A command of the program. */
export interface Command {
  /** What follows its name, without flags that every command takes. */
  usage: string;
  summary: string;
  /** Names of its flags, without dashes. */
  flags: readonly string[];
  /** The most words after its name. */
  words: number;
}

const SERVER = SETTINGS.flatMap(({ flag }) => flag ?? []);
const DATABASE = ["data", "database-url"];

/** All commands by name. */
export const COMMANDS: Readonly<Record<string, Command>> = {
  serve: { usage: "[flags]", summary: "Serve the chat API.", flags: SERVER, words: 0 },
  "token create": {
    usage: "[--name NAME] [--user USER] [--expires 30d]",
    summary: "Make a token and print its secret.",
    flags: [...DATABASE, "name", "user", "expires"],
    words: 0,
  },
  "token list": {
    usage: "[--json]",
    summary: "List the tokens: id, user, creation, expiry, name.",
    flags: [...DATABASE, "json"],
    words: 0,
  },
  "token revoke": {
    usage: "ID | NAME [--user USER]",
    summary: "Revoke a token. A name that several have needs its user.",
    flags: [...DATABASE, "user"],
    words: 1,
  },
  config: {
    usage: "[flags]",
    summary: "Print the effective configuration as a file, without secrets.",
    flags: SERVER,
    words: 0,
  },
};

const FLAGS: Readonly<Record<string, Row>> = {
  ...Object.fromEntries(
    SETTINGS.filter(({ flag }) => flag !== undefined).map(({ flag, expected, description }) => [
      flag,
      [`--${flag} ${expected.split(",")[0]}`, description],
    ]),
  ),
  name: ["--name NAME", "The token's name. Defaults to `token of USER`."],
  user: ["--user USER", "The user whose token it is. A new token's defaults to `local`."],
  expires: ["--expires TIME", "The token's life: 90s, 30m, 12h or 30d. Defaults to unlimited."],
  json: ["--json", "Print JSON."],
  config: ["--config FILE", "A configuration file (JSONC); the README lists its keys."],
};

/** The output of `parley --help`, or of a command's. */
export function helpText(words: readonly string[] = []): string {
  const asked = words.join(" ");
  const commands = Object.entries(COMMANDS).filter(([name]) =>
    name === asked || name.startsWith(`${asked} `)
  );
  if (asked === "" || asked === "serve" || commands.length === 0) return everything();
  const flags = [...new Set(commands.flatMap(([, { flags }]) => flags)), "config"];
  return `${usage(commands)}\n\nFlags:\n${table(flags.map((flag) => FLAGS[flag]!))}`;
}

function usage(commands: [name: string, command: Command][]): string {
  return commands.map(([name, { usage, summary }]) => `parley ${name} ${usage}\n    ${summary}`)
    .join("\n");
}

function everything(): string {
  const variables = SETTINGS.map((setting): Row => [
    setting.env,
    setting.description + (setting.default === undefined ? "" : ` [${setting.default}]`),
  ]);
  return `parley: a chat backend in a single file

${usage(Object.entries(COMMANDS))}
parley --help | --version
    Without a command, Parley serves. COMMAND --help lists its flags.

Flags:
${table([...SERVER, "config"].map((flag) => FLAGS[flag]!))}

Environment (flags override it; it overrides the file):
${table(variables)}

Providers:
${
    table([
      [
        "PARLEY_AI_PROVIDER_<n>_…",
        "TYPE (openai, openai-compatible, anthropic, google, demo), NAME, API_KEY, BASE_URL, MODELS;",
      ],
      ["CODER_AI_PROVIDER_<n>_…", "The same. If none of these is set:"],
      ["OPENAI_API_KEY, OPENAI_BASE_URL", "OpenAI, or a server with its chat completions API."],
      [
        "ANTHROPIC_API_KEY, GOOGLE_API_KEY",
        "Anthropic; Google. Without any key: the demo model.",
      ],
    ])
  }`;
}

type Row = readonly [name: string, text: string];

function table(rows: Row[]): string {
  return rows.map(([name, text]) => `  ${name.padEnd(34)} ${text}`).join("\n");
}
