/** Every setting that Parley takes: one table for parsing, for the help and for the README. */
import { z } from "zod";
import { BUSY_POLICIES, INTERRUPT_POLICIES, LOG_DURABILITIES } from "../domain/policies.ts";
import { LOG_FORMATS, LOG_LEVELS } from "../observe/log.ts";

/** One setting: where it may be given, and what it may be. */
export interface Setting {
  /** Its key in the configuration file; dots lead into objects. */
  key: string;
  env: string;
  /** The flag of `parley serve`, without dashes. */
  flag?: string;
  schema: z.ZodType;
  /** Shown where no value is given. */
  default?: string | number;
  /** What is expected, in words, for the help and for errors. */
  expected: string;
  description: string;
  /** Never shown. */
  secret?: true;
}

const text = z.string().min(1);
const list = z.union([
  z.array(text),
  z.string().transform((value) => value.split(",").map((item) => item.trim()).filter(Boolean)),
]);

const price = z.number().min(0);
const prices = z.record(
  text,
  z.strictObject({ input: price, output: price, cached: price.optional() }),
);

function whole(min: number, max: number) {
  return z.union([z.number(), z.string().regex(/^\d+$/).transform(Number)])
    .pipe(z.number().int().min(min).max(max));
}

function limit(name: string, fallback: number, min: number, max: number, description: string) {
  return {
    key: `limits.${name}`,
    env: `PARLEY_LIMIT_${name.toUpperCase()}`,
    schema: whole(min, max),
    default: fallback,
    expected: `a whole number from ${min} to ${max}`,
    description,
  };
}

const MIB = 1024 * 1024;

/** The settings, in the order in which they are explained. */
export const SETTINGS = [
  {
    key: "listen",
    env: "PARLEY_LISTEN",
    flag: "listen",
    schema: z.string().regex(/^(unix:.+|(\[[0-9a-fA-F:.]+\]|[^:\s]+):\d{1,5})$/),
    default: "127.0.0.1:4320",
    expected: "HOST:PORT or unix:PATH",
    description: "Where to listen. Port 0 takes a free one.",
  },
  {
    key: "data",
    env: "PARLEY_DATA",
    flag: "data",
    schema: text,
    expected: "a folder",
    description: "The data folder. Made if missing, for its owner alone.",
  },
  {
    key: "database_url",
    env: "PARLEY_DATABASE_URL",
    flag: "database-url",
    schema: z.string().regex(/^(file:.+|(libsql|https|http):\/\/.+)$/),
    expected: "file:PATH, libsql://HOST, https://HOST or http://HOST",
    description: "The database. By default the file parley.db in the data folder.",
  },
  {
    key: "database_token",
    env: "PARLEY_DATABASE_TOKEN",
    schema: text,
    expected: "a token",
    description: "The token of a remote database.",
    secret: true,
  },
  {
    key: "tokens",
    env: "PARLEY_TOKENS",
    schema: z.union([z.record(text, text), z.string().transform(staticTokens)]),
    expected: "NAME=SECRET, separated by commas, each secret of at least 8 characters",
    description: "Users with tokens that are given from outside, for containers and tests.",
    secret: true,
  },
  {
    key: "coder_url",
    env: "PARLEY_CODER_URL",
    schema: z.url({ protocol: /^https?$/ }),
    expected: "the http(s) URL of a Coder deployment",
    description: "Takes that deployment's session tokens; its users own the chats.",
  },
  {
    key: "system_prompt",
    env: "PARLEY_SYSTEM_PROMPT",
    schema: z.string().max(100_000),
    expected: "a text of at most 100,000 characters",
    description: "What every model is told first.",
  },
  {
    key: "default_model",
    env: "PARLEY_DEFAULT_MODEL",
    schema: text,
    expected: "the id of a model",
    description: "The model of a request that names none. By default the first one.",
  },
  {
    key: "title_model",
    env: "PARLEY_TITLE_MODEL",
    schema: text,
    expected: "the id of a model",
    description: "The model that names chats. By default the cheapest one, by its name.",
  },
  {
    key: "busy",
    env: "PARLEY_BUSY",
    schema: z.enum(BUSY_POLICIES),
    default: "reject",
    expected: BUSY_POLICIES.join(", "),
    description: "What a message meets while its chat is answering; a request may say otherwise.",
  },
  {
    key: "on_interrupt",
    env: "PARLEY_ON_INTERRUPT",
    schema: z.enum(INTERRUPT_POLICIES),
    default: "mark",
    expected: INTERRUPT_POLICIES.join(" or "),
    description:
      "What becomes of an answer that a crash cut off. `continue` asks the model to go " +
      "on from it where it can (text alone, by Anthropic), and marks it elsewhere.",
  },
  {
    key: "durability",
    env: "PARLEY_DURABILITY",
    schema: z.enum(LOG_DURABILITIES),
    default: "before",
    expected: LOG_DURABILITIES.join(" or "),
    description: "Whether events are stored before they are sent, or right after, which over a " +
      "slow line to a remote database saves the round trip.",
  },
  {
    key: "fallbacks",
    env: "PARLEY_FALLBACKS",
    schema: z.union([z.record(text, z.array(text)), z.string().transform(fallbackList)]),
    expected: "MODEL=OTHER|OTHER, separated by commas",
    description: "Models to ask, in order, where one does not answer.",
  },
  {
    key: "prices",
    env: "PARLEY_PRICES",
    schema: z.union([prices, z.string().transform(jsonText).pipe(prices)]),
    expected: '{"MODEL": {"input": 2.5, "output": 10, "cached": 1.25}}, each per million tokens',
    description: "Prices of models, for the cost in usage reports, in a currency of your choice.",
  },
  {
    key: "cors_origins",
    env: "PARLEY_CORS_ORIGINS",
    schema: list,
    expected: "origins such as https://app.example.com, separated by commas",
    description: "The web origins whose pages may use the API.",
  },
  {
    key: "allowed_hosts",
    env: "PARLEY_ALLOWED_HOSTS",
    schema: list,
    expected: "host names, separated by commas",
    description: "More names that a request may give as its Host; on loopback others are refused.",
  },
  {
    key: "log_format",
    env: "PARLEY_LOG_FORMAT",
    flag: "log-format",
    schema: z.enum(LOG_FORMATS),
    default: "text",
    expected: LOG_FORMATS.join(" or "),
    description: "The form of the log lines on standard error.",
  },
  {
    key: "log_level",
    env: "PARLEY_LOG_LEVEL",
    flag: "log-level",
    schema: z.enum(LOG_LEVELS),
    default: "info",
    expected: LOG_LEVELS.join(", "),
    description: "The least that is logged.",
  },
  limit("body_bytes", 8 * MIB, 1024, 256 * MIB, "The largest request body, in bytes."),
  limit("file_bytes", 10 * MIB, 1024, 256 * MIB, "The largest file of a chat, in bytes."),
  limit("message_chars", 400_000, 100, 10_000_000, "The longest text of a message."),
  limit("streams", 2_000, 1, 100_000, "Open answer streams in all."),
  limit("streams_per_user", 200, 1, 100_000, "Open answer streams of one user."),
  {
    key: "limits.output_tokens",
    env: "PARLEY_LIMIT_OUTPUT_TOKENS",
    schema: whole(1, 10_000_000),
    expected: "a whole number from 1 to 10000000",
    description:
      "The most tokens that a model may answer with; by default the provider's own limit.",
  },
  limit("retries", 2, 0, 10, "How often a request is tried again before the first content."),
  limit("run_seconds", 3_600, 1, 86_400, "The longest that a run may take."),
  limit("stall_seconds", 120, 1, 3_600, "The longest that a provider may send nothing."),
  limit("log_minutes", 10, 1, 10_080, "How long the log of an ended run is kept."),
  limit("shutdown_seconds", 30, 0, 3_600, "How long live runs may go on at shutdown."),
  limit("keep_alive_seconds", 15, 1, 300, "How often a silent stream shows that it lives."),
] as const satisfies readonly Setting[];

function staticTokens(value: string, context: z.RefinementCtx): Record<string, string> {
  const entries = value.split(",").map((item) => item.trim()).filter(Boolean).map((item) => {
    const at = item.indexOf("=");
    return [item.slice(0, Math.max(0, at)).trim(), item.slice(at + 1).trim()] as const;
  });
  if (entries.some(([name, secret]) => name === "" || secret.length < 8)) {
    context.addIssue({ code: "custom", message: "not NAME=SECRET" });
    return z.NEVER;
  }
  return Object.fromEntries(entries);
}

function fallbackList(value: string, context: z.RefinementCtx): Record<string, string[]> {
  const entries = value.split(",").map((item) => item.trim()).filter(Boolean).map((item) => {
    const [model = "", others = ""] = item.split("=", 2).map((side) => side.trim());
    return [model, others.split("|").map((other) => other.trim()).filter(Boolean)] as const;
  });
  if (entries.some(([model, others]) => model === "" || others.length === 0)) {
    context.addIssue({ code: "custom", message: "not MODEL=OTHER" });
    return z.NEVER;
  }
  return Object.fromEntries(entries);
}

function jsonText(value: string, context: z.RefinementCtx): unknown {
  try {
    return JSON.parse(value);
  } catch {
    context.addIssue({ code: "custom", message: "no JSON" });
    return z.NEVER;
  }
}
