/** Every setting Parley takes: one table for the parser, the help and the README. */
import { z } from "zod";
import { UNATTENDED } from "../domain/approval.ts";
import {
  BUSY_POLICIES,
  INTERRUPT_POLICIES,
  LOG_DURABILITIES,
  REFUSED_URLS,
} from "../domain/policies.ts";
import { LOG_FORMATS, LOG_LEVELS } from "../observe/log.ts";
import {
  databaseUrl,
  fallbacks,
  hosts,
  httpUrl,
  origins,
  path,
  prices,
  secret,
  text,
  toolPolicies,
  users,
} from "./values.ts";

/** One setting: where it can be set, and to what. */
export interface Setting {
  /** Key in the configuration file; dots separate nested objects. */
  key: string;
  env: string;
  /** Flag of `parley serve`, without dashes. */
  flag?: string;
  schema: z.ZodType;
  /** The value if none is given. */
  default?: string | number;
  /** The expected value in words, for the help and for errors. */
  expected: string;
  description: string;
  /** Never shown. */
  secret?: true;
}

/** A setting whose names follow from its key; `flag` is true if it has one. */
type Entry = Omit<Setting, "key" | "env" | "flag"> & { flag?: true };

function whole(min: number, max: number) {
  return {
    schema: z.union([z.number(), z.string().regex(/^\d+$/).transform(Number)])
      .pipe(z.number().int().min(min).max(max)),
    expected: `a whole number from ${min} to ${max}`,
  };
}

function limit(fallback: number, min: number, max: number, description: string) {
  return { ...whole(min, max), default: fallback, description };
}

function choice<const Options extends readonly string[]>(
  options: Options,
  fallback: Options[number],
  description: string,
) {
  const expected = options.join(options.length === 2 ? " or " : ", ");
  return { schema: z.enum(options), default: fallback, expected, description };
}

const MIB = 1024 * 1024;

const TABLE = {
  listen: {
    flag: true,
    schema: z.string().regex(/^(unix:.+|(\[[0-9a-fA-F:.]+\]|[^:\s]+):\d{1,5})$/),
    default: "127.0.0.1:4320",
    expected: "HOST:PORT or unix:PATH",
    description: "The address to listen on. Port 0 picks a free port.",
  },
  data: {
    flag: true,
    schema: path,
    expected: "a folder",
    description: "The data folder. Created if missing, accessible only to its owner.",
  },
  database_url: {
    flag: true,
    schema: databaseUrl,
    expected: "file:PATH, libsql://HOST, https://HOST or http://HOST",
    description: "The database. Defaults to the file parley.db in the data folder.",
  },
  database_token: {
    schema: secret,
    expected: "a token of visible ASCII characters",
    description: "The access token for a remote database.",
    secret: true,
  },
  tokens: {
    schema: users,
    expected:
      "NAME=SECRET, separated by commas, each secret of at least 8 visible ASCII characters",
    description: "Users with fixed tokens, for containers and tests.",
    secret: true,
  },
  coder_url: {
    schema: httpUrl,
    expected: "the http(s) URL of a Coder deployment",
    description: "Accepts session tokens of this deployment; its users own their chats.",
  },
  workspace: {
    flag: true,
    schema: path,
    expected: "a folder",
    description: "The folder in which models may read and change files and run commands. None by " +
      "default; the data folder and the configuration file must be outside it.",
  },
  system_prompt: {
    schema: z.string().max(100_000),
    expected: "text of at most 100,000 characters",
    description: "The system prompt for every model.",
  },
  default_model: {
    schema: text,
    expected: "the id of a model",
    description: "The model for requests that name none. Defaults to the first model.",
  },
  title_model: {
    schema: text,
    expected: "the id of a model",
    description: "The model that names chats. Defaults to the cheapest, judging by name.",
  },
  busy: choice(
    BUSY_POLICIES,
    "reject",
    "What to do with a message sent while its chat is answering; a request can override it.",
  ),
  on_interrupt: choice(
    INTERRUPT_POLICIES,
    "mark",
    "What to do with an answer cut off by a crash. `mark` marks it as interrupted; `continue` asks " +
      "the model to continue it if possible (text only, Anthropic only), and otherwise marks it.",
  ),
  refused_urls: choice(
    REFUSED_URLS,
    "local",
    "Which URLs of files a message may not have, since a provider would fetch them: those of " +
      "loopback and link-local addresses, those of any private network too, or none.",
  ),
  durability: choice(
    LOG_DURABILITIES,
    "before",
    "Whether to store events before sending them or right after; storing them " +
      "after saves a round trip over a slow connection to a remote database.",
  ),
  fallbacks: {
    schema: fallbacks,
    expected: "MODEL=OTHER|OTHER, separated by commas",
    description: "Models to try, in order, if one does not answer.",
  },
  prices: {
    schema: prices,
    expected: '{"MODEL": {"input": 2.5, "output": 10, "cached": 1.25}}, each per million tokens',
    description: "Model prices, for the cost in usage reports, in a currency of your choice.",
  },
  public_url: {
    schema: httpUrl,
    expected: "the http(s) URL at which browsers reach Parley",
    description:
      "Browsers come back to it from the pages at which MCP servers let people sign in. " +
      "Defaults to the address that Parley listens on.",
  },
  "tools.policies": {
    schema: toolPolicies,
    expected: "MATCH=ACTION, separated by commas, such as github__*=allow,workspace__write=deny",
    description: "Which calls of tools are allowed, denied or asked for; the last match wins. " +
      "By default, what only reads is allowed, and a person is asked for the rest.",
  },
  "tools.steps": limit(
    32,
    1,
    1_000,
    "The most requests to the model in one run, if it calls tools.",
  ),
  "tools.approval_hours": limit(168, 1, 8_760, "How long a call waits for an approval."),
  unattended: choice(
    UNATTENDED,
    "ask",
    "What becomes of a call that needs an approval: `deny` if nobody watches. A request can " +
      "override it.",
  ),
  mcp_config: {
    flag: true,
    schema: path,
    expected: "a file",
    description: "A file of MCP servers whose tools models may call, as `.mcp.json`: an object " +
      "`mcpServers`.",
  },
  cors_origins: {
    schema: origins,
    expected: "origins such as https://app.example.com, separated by commas",
    description: "Web origins whose pages may use the API.",
  },
  allowed_hosts: {
    schema: hosts,
    expected: "host names without a port, separated by commas",
    description: "More host names to accept in the Host header; on loopback, others are refused.",
  },
  log_format: {
    flag: true,
    ...choice(LOG_FORMATS, "text", "The format of log lines on standard error."),
  },
  log_level: { flag: true, ...choice(LOG_LEVELS, "info", "The lowest level to log.") },
  "limits.body_bytes": limit(8 * MIB, 1024, 256 * MIB, "The largest request body, in bytes."),
  "limits.file_bytes": limit(10 * MIB, 1024, 256 * MIB, "The largest file in a chat, in bytes."),
  "limits.message_chars": limit(
    400_000,
    100,
    10_000_000,
    "The longest message text, in characters.",
  ),
  "limits.files_per_message": limit(20, 1, 1_000, "The most files in a message."),
  "limits.files_per_chat": limit(1_000, 1, 100_000, "The most files in a chat."),
  "limits.files_per_user": limit(10_000, 1, 1_000_000, "The most files one user may have."),
  "limits.prompt_bytes": limit(
    32 * MIB,
    1024,
    256 * MIB,
    "The most to send to a model at once, in bytes: messages and files, these in base64.",
  ),
  "limits.chat_bytes": limit(
    64 * MIB,
    64 * 1024,
    1024 * MIB,
    "The most that all messages of a chat may hold, without files, in bytes.",
  ),
  "limits.streams": limit(2_000, 1, 100_000, "The most answer streams open at once."),
  "limits.streams_per_user": limit(
    200,
    1,
    100_000,
    "The most answer streams one user may have open.",
  ),
  "limits.runs": limit(1_000, 1, 100_000, "The most answers in progress at once."),
  "limits.runs_per_user": limit(100, 1, 100_000, "The most answers in progress of one user."),
  "limits.queued_per_chat": limit(20, 1, 10_000, "The most messages that may wait in a chat."),
  "limits.queued_per_user": limit(1_000, 1, 100_000, "The most waiting messages of one user."),
  "limits.output_tokens": {
    ...whole(1, 10_000_000),
    description: "The most tokens in a model's answer. Defaults to the provider's own limit.",
  },
  "limits.retries": limit(
    2,
    0,
    10,
    "How often to retry a request that fails before its first content.",
  ),
  "limits.run_seconds": limit(3_600, 1, 86_400, "The longest a run may take."),
  "limits.stall_seconds": limit(120, 1, 3_600, "The longest a provider may stay silent."),
  "limits.log_minutes": limit(10, 1, 10_080, "How long to keep the log of a run that has ended."),
  "limits.shutdown_seconds": limit(30, 0, 3_600, "How long live runs may continue at shutdown."),
  "limits.keep_alive_seconds": limit(
    15,
    1,
    300,
    "The interval between keep-alives on a silent stream.",
  ),
} as const satisfies Record<string, Entry>;

/** The settings, in the order of the documentation. */
export const SETTINGS: readonly Setting[] = Object.entries<Entry>(TABLE).map(
  ([key, { flag, ...entry }]) => ({
    key,
    env: `PARLEY_${key.replace(/^(limit|tool)s\./, "$1_").toUpperCase()}`,
    ...(flag && { flag: key.replaceAll("_", "-") }),
    ...entry,
  }),
);

/** The value of every setting by its key; undefined if it has no default and is not set. */
export type Settings = { [Key in keyof typeof TABLE]: ValueOf<(typeof TABLE)[Key]> };

type ValueOf<E extends Entry> =
  | z.output<E["schema"]>
  | (E extends { default: unknown } ? never : undefined);
