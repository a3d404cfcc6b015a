import { parse as parseJsonc, type ParseError, printParseErrorCode } from "jsonc-parser";
import { z } from "zod";
import { UsageError } from "../domain/errors.ts";
import type { BusyPolicy, InterruptPolicy, LogDurability } from "../domain/policies.ts";
import type { Price } from "../domain/usage.ts";
import type { ProviderConfig } from "../domain/provider.ts";
import type { LogFormat, LogLevel } from "../observe/log.ts";
import { providerSchema, readProviders } from "./providers.ts";
import { type Setting, SETTINGS } from "./settings.ts";

/** Everything that Parley was told, validated. */
export interface Config {
  listen: { host: string; port: number } | { unix: string };
  dataDir: string;
  database: { url: string; token: string | undefined };
  /** Static tokens: user name to secret. */
  tokens: Record<string, string>;
  coderUrl: string | undefined;
  systemPrompt: string | undefined;
  defaultModel: string | undefined;
  titleModel: string | undefined;
  busy: BusyPolicy;
  onInterrupt: InterruptPolicy;
  durability: LogDurability;
  /** Models to ask where one does not answer, by id. */
  fallbacks: Record<string, string[]>;
  /** By id of the model. */
  prices: Record<string, Price>;
  corsOrigins: string[];
  allowedHosts: string[];
  logFormat: LogFormat;
  logLevel: LogLevel;
  limits: Limits;
  providers: ProviderConfig[];
}

/** Bounds. Bytes, characters, counts and milliseconds. */
export interface Limits {
  bodyBytes: number;
  fileBytes: number;
  messageChars: number;
  streams: number;
  streamsPerUser: number;
  outputTokens: number | undefined;
  retries: number;
  runMs: number;
  stallMs: number;
  /** How long the log of an ended run is kept. */
  logMs: number;
  shutdownMs: number;
  keepAliveMs: number;
}

/** Where the configuration comes from. */
export interface ConfigSources {
  /** Flags by name, without dashes. */
  flags: Record<string, string | undefined>;
  env: Record<string, string | undefined>;
  /** Reads a configuration file. */
  readFile: (path: string) => string;
}

/**
 * Flags over environment over the file that `--config` or `PARLEY_CONFIG` names.
 * @throws {UsageError} that names the key, what was found and what was expected.
 */
export function readConfig({ flags, env, readFile }: ConfigSources): Config {
  const path = flags["config"] ?? env["PARLEY_CONFIG"];
  const file = path === undefined ? {} : readFileOf(path, readFile);
  const values = new Map<string, unknown>();
  for (const setting of SETTINGS) values.set(setting.key, readSetting(setting, flags, env, file));
  const value = <T>(key: (typeof SETTINGS)[number]["key"]) => values.get(key) as T;

  const dataDir = value<string | undefined>("data") ?? defaultDataDir(env);
  return {
    listen: parseListen(value<string>("listen")),
    dataDir,
    database: {
      url: value<string | undefined>("database_url") ?? `file:${dataDir}/parley.db`,
      token: value("database_token"),
    },
    tokens: value<Record<string, string> | undefined>("tokens") ?? {},
    coderUrl: value<string | undefined>("coder_url")?.replace(/\/+$/, ""),
    systemPrompt: value("system_prompt"),
    defaultModel: value("default_model"),
    titleModel: value("title_model"),
    busy: value("busy"),
    onInterrupt: value("on_interrupt"),
    durability: value("durability"),
    fallbacks: value<Record<string, string[]> | undefined>("fallbacks") ?? {},
    prices: value<Record<string, Price> | undefined>("prices") ?? {},
    corsOrigins: value<string[] | undefined>("cors_origins") ?? [],
    allowedHosts: value<string[] | undefined>("allowed_hosts") ?? [],
    logFormat: value("log_format"),
    logLevel: value("log_level"),
    limits: {
      bodyBytes: value("limits.body_bytes"),
      fileBytes: value("limits.file_bytes"),
      messageChars: value("limits.message_chars"),
      streams: value("limits.streams"),
      streamsPerUser: value("limits.streams_per_user"),
      outputTokens: value("limits.output_tokens"),
      retries: value("limits.retries"),
      logMs: 60_000 * value<number>("limits.log_minutes"),
      shutdownMs: 1000 * value<number>("limits.shutdown_seconds"),
      runMs: 1000 * value<number>("limits.run_seconds"),
      stallMs: 1000 * value<number>("limits.stall_seconds"),
      keepAliveMs: 1000 * value<number>("limits.keep_alive_seconds"),
    },
    providers: readProviders(env, fileProviders(file)),
  };
}

/** All secrets in a configuration: what must never be shown. */
export function secretsOf(config: Config): string[] {
  return [
    config.database.token,
    ...Object.values(config.tokens),
    ...config.providers.map(({ apiKey }) => apiKey),
  ].filter((secret) => secret !== undefined);
}

type FileObject = Record<string, unknown>;

function readSetting(
  setting: Setting,
  flags: ConfigSources["flags"],
  env: ConfigSources["env"],
  file: FileObject,
): unknown {
  const candidates: [where: string, found: unknown][] = [
    [`--${setting.flag}`, setting.flag === undefined ? undefined : flags[setting.flag]],
    [setting.env, env[setting.env] === "" ? undefined : env[setting.env]],
    [setting.key, lookUp(file, setting.key)],
  ];
  const given = candidates.find(([, found]) => found !== undefined);
  if (!given) return setting.default;
  const [where, found] = given;
  const parsed = setting.schema.safeParse(found);
  if (parsed.success) return parsed.data;
  const shown = setting.secret ? "something else" : JSON.stringify(found);
  throw new UsageError(`Invalid ${where}: expected ${setting.expected}, found ${shown}`);
}

function readFileOf(path: string, readFile: ConfigSources["readFile"]): FileObject {
  let content: string;
  try {
    content = readFile(path);
  } catch {
    throw new UsageError(`The configuration file ${path} cannot be read.`);
  }
  const errors: ParseError[] = [];
  const parsed: unknown = parseJsonc(content, errors, { allowTrailingComma: true });
  const error = errors[0];
  if (error) {
    const line = content.slice(0, error.offset).split("\n").length;
    throw new UsageError(
      `The configuration file ${path} is no JSONC: ${printParseErrorCode(error.error)}, ` +
        `line ${line}`,
    );
  }
  if (!isObject(parsed)) {
    throw new UsageError(`The configuration file ${path} must hold an object.`);
  }
  refuseUnknown(parsed, path);
  return parsed;
}

function refuseUnknown(file: FileObject, path: string): void {
  const known = new Set<string>(["providers", ...SETTINGS.map(({ key }) => key)]);
  const keys = Object.entries(file).flatMap(([key, value]) =>
    key === "limits" && isObject(value) ? Object.keys(value).map((name) => `limits.${name}`) : [key]
  );
  const unknown = keys.find((key) => !known.has(key));
  if (unknown !== undefined) {
    throw new UsageError(`Unknown key "${unknown}" in the configuration file ${path}`);
  }
}

function fileProviders(file: FileObject): z.infer<typeof providerSchema>[] {
  const parsed = z.array(providerSchema).safeParse(file["providers"] ?? []);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0]!;
  throw new UsageError(`Invalid providers.${issue.path.join(".")}: ${issue.message}`);
}

function lookUp(file: FileObject, key: string): unknown {
  return key.split(".").reduce<unknown>(
    (value, name) => isObject(value) ? value[name] : undefined,
    file,
  );
}

function isObject(value: unknown): value is FileObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function parseListen(listen: string): Config["listen"] {
  if (listen.startsWith("unix:")) return { unix: listen.slice("unix:".length) };
  const colon = listen.lastIndexOf(":");
  const port = Number(listen.slice(colon + 1));
  if (port > 65_535) {
    throw new UsageError(`Invalid listen: expected a port up to 65535, found ${port}`);
  }
  return { host: listen.slice(0, colon).replace(/^\[|\]$/g, ""), port };
}

/** The XDG data folder. */
function defaultDataDir(env: ConfigSources["env"]): string {
  if (env["XDG_DATA_HOME"]) return `${env["XDG_DATA_HOME"]}/parley`;
  const home = env["HOME"] ?? env["USERPROFILE"];
  if (home === undefined) {
    throw new UsageError("No data folder: expected --data DIR, since HOME is not set");
  }
  return `${home}/.local/share/parley`;
}
