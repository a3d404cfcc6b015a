import { UsageError } from "../domain/errors.ts";
import { SIGN_IN_PATH } from "../domain/tool.ts";
import { unknownNames } from "./environment.ts";
import type { McpServerConfig } from "../domain/mcp.ts";
import { type ConfigFile, NO_FILE, readConfigFile, readText } from "./file.ts";
import { check, type ConfigSources, type Given, invalid, shown } from "./given.ts";
import { readMcpConfig } from "./mcp.ts";
import { checkModels, knownModels, type NamedModel } from "./models.ts";
import { readProviders } from "./providers.ts";
import { secretsIn } from "./secrets.ts";
import { type Setting, SETTINGS, type Settings } from "./settings.ts";
import { type PrivatePath, workspaceFolder } from "./workspace.ts";

/** The complete, validated configuration. Times are in milliseconds, sizes in bytes or characters. */
export type Config = ReturnType<typeof readConfig>;

/** The limits in the configuration. */
export type Limits = Config["limits"];

/** The configuration as it was given, with the origin of each value. */
export type ReadConfig = ReturnType<typeof readSources>;

/**
 * Reads the configuration: flags override the environment, which overrides the file named by
 * `--config` or `PARLEY_CONFIG`.
 * @throws {UsageError} naming the key, what was found and what was expected.
 */
export function readConfig(sources: ConfigSources) {
  return effective(readSources(sources));
}

/** @throws {UsageError} as `readConfig`, for what can be said of each value by itself. */
export function readSources(sources: ConfigSources) {
  const { flags, env } = sources;
  const warnings = unknownNames(env);
  const path = flags["config"] ?? (env["PARLEY_CONFIG"] || undefined);
  const file = path === undefined ? NO_FILE : readConfigFile(path, sources);
  refuseUnknownKeys(file);
  const given = new Map<string, Given>();
  const values: Record<string, unknown> = {};
  for (const setting of SETTINGS) {
    const found = find(setting, flags, env, file);
    if (found) given.set(setting.key, found);
    values[setting.key] = found
      ? check(found, setting.schema, setting.expected, setting.secret)
      : setting.default;
  }
  const settings = values as Settings;
  const dataDir = settings.data ?? defaultDataDir(env);
  const mcpServers = readMcpFile(settings.mcp_config, sources);
  const providers = readProviders(env, file);
  return { settings, given, dataDir, path, providers, mcpServers, warnings };
}

/** @throws {UsageError} if settings contradict each other. */
export function effective(read: ReadConfig) {
  const { settings, given, dataDir } = read;
  const workspace = given.get("workspace");
  const providers = read.providers.map(({ config }) => config);
  refuseContradictions(read);
  const known = knownModels(providers);
  const namedModels = modelsNamedBy(read);
  const modelWarnings = known ? checkModels(namedModels, known) : [];
  return {
    listen: parseListen(settings.listen, given.get("listen")),
    dataDir,
    database: {
      url: settings.database_url ?? `file:${dataDir}/parley.db`,
      token: settings.database_token,
    },
    /** Static tokens: user name to secret. */
    tokens: settings.tokens ?? {},
    /** The folder that tools may work in: absolute, without symbolic links. */
    workspace: workspace && workspaceFolder(workspace, privatePaths(read)),
    coderUrl: settings.coder_url?.replace(/\/+$/, ""),
    systemPrompt: settings.system_prompt,
    defaultModel: settings.default_model,
    titleModel: settings.title_model,
    busy: settings.busy,
    onInterrupt: settings.on_interrupt,
    durability: settings.durability,
    refusedUrls: settings.refused_urls,
    /** Model id to the models to try if it does not answer. */
    fallbacks: ownKeys(settings.fallbacks),
    /** By model id. */
    prices: ownKeys(settings.prices),
    unattended: settings.unattended,
    signIn: signInOf(read),
    tools: {
      policies: settings["tools.policies"] ?? [],
      steps: settings["tools.steps"],
      approvalMs: 3_600_000 * settings["tools.approval_hours"],
    },
    corsOrigins: settings.cors_origins ?? [],
    allowedHosts: settings.allowed_hosts ?? [],
    logFormat: settings.log_format,
    logLevel: settings.log_level,
    limits: {
      bodyBytes: settings["limits.body_bytes"],
      fileBytes: settings["limits.file_bytes"],
      messageChars: settings["limits.message_chars"],
      promptBytes: settings["limits.prompt_bytes"],
      chatBytes: settings["limits.chat_bytes"],
      filesPerMessage: settings["limits.files_per_message"],
      filesPerChat: settings["limits.files_per_chat"],
      filesPerUser: settings["limits.files_per_user"],
      streams: { perUser: settings["limits.streams_per_user"], total: settings["limits.streams"] },
      runs: { perUser: settings["limits.runs_per_user"], total: settings["limits.runs"] },
      queue: {
        perChat: settings["limits.queued_per_chat"],
        perUser: settings["limits.queued_per_user"],
        // What waits is read as a whole, as a body is.
        bytesPerChat: settings["limits.body_bytes"],
      },
      outputTokens: settings["limits.output_tokens"],
      retries: settings["limits.retries"],
      /** How long to keep the log of a run that has ended. */
      logMs: 60_000 * settings["limits.log_minutes"],
      shutdownMs: 1000 * settings["limits.shutdown_seconds"],
      runMs: 1000 * settings["limits.run_seconds"],
      stallMs: 1000 * settings["limits.stall_seconds"],
      keepAliveMs: 1000 * settings["limits.keep_alive_seconds"],
    },
    providers,
    mcpServers: read.mcpServers,
    /** The models that settings name, if a provider must be asked whether it has them. */
    modelsToCheck: known ? [] : namedModels,
    /** What is probably a mistake, in one line each. */
    warnings: [...read.warnings, ...modelWarnings, ...hostWarnings(read)],
  };
}

/** A record that has no other keys than its own: a model may be called `constructor`. */
function ownKeys<T>(record: Record<string, T> = {}): Record<string, T> {
  return Object.assign(Object.create(null), record);
}

/** All secrets in a configuration, for masking. */
export function secretsOf(config: Config): string[] {
  const urls = [config.database.url, config.coderUrl, ...config.providers.map((p) => p.baseUrl)];
  return [
    config.database.token,
    ...Object.values(config.tokens),
    ...config.providers.map(({ apiKey }) => apiKey),
    ...config.mcpServers.flatMap(({ secrets }) => secrets),
    ...urls.flatMap((url) => url === undefined ? [] : secretsIn(url)),
  ].filter((secret) => secret !== undefined);
}

function readMcpFile(
  path: string | undefined,
  { env, readFile }: ConfigSources,
): McpServerConfig[] {
  if (path === undefined) return [];
  return readMcpConfig(readText(path, "MCP configuration", readFile), path, env);
}

function find(
  { key, env: variable, flag = "" }: Setting,
  flags: ConfigSources["flags"],
  env: ConfigSources["env"],
  file: ConfigFile,
): Given | undefined {
  const [inFlags, inEnv] = [flags[flag], env[variable]];
  if (inFlags !== undefined) return { value: inFlags, name: `--${flag}`, source: `--${flag}` };
  if (inEnv) return { value: inEnv, name: variable, source: variable, variable };
  return file.at(key.split("."));
}

function refuseUnknownKeys(file: ConfigFile): void {
  const keys = SETTINGS.map(({ key }) => key.split("."));
  file.keys([], [...new Set(keys.map(([first]) => first!)), "providers"]);
  for (const group of ["limits", "tools"]) {
    file.keys([group], keys.flatMap(([first, second]) => first === group ? second! : []));
  }
}

function privatePaths({ settings, dataDir, path }: ReadConfig): PrivatePath[] {
  const url = settings.database_url;
  return [
    { what: "the data folder", path: dataDir },
    ...url?.startsWith("file:")
      ? [{ what: "the database", path: url.replace(/^file:(\/\/(?=\/))?/, "") }]
      : [],
    ...path === undefined ? [] : [{ what: "the configuration file", path }],
  ];
}

function refuseContradictions({ settings, given }: ReadConfig): void {
  const [perUser, streams] = [given.get("limits.streams_per_user"), settings["limits.streams"]];
  if (perUser && settings["limits.streams_per_user"] > streams) {
    throw invalid(perUser, `at most ${streams}, as limits.streams, found ${shown(perUser.value)}`);
  }
  const token = given.get("database_token");
  if (!token) return;
  const url = settings.database_url ?? "file:";
  if (url.startsWith("file:")) {
    throw invalid(token, "nothing: the database is a file, without a token");
  }
  if (/[?&]authToken=/.test(url)) {
    throw invalid(token, "nothing: the URL of the database has a token");
  }
}

function modelsNamedBy({ settings, given }: ReadConfig): NamedModel[] {
  const { default_model, title_model, fallbacks = {}, prices = {} } = settings;
  const named = (key: string, ids: (string | undefined)[]): NamedModel[] =>
    ids.flatMap((id) => id === undefined ? [] : { given: given.get(key)!, id });
  return [
    ...named("default_model", [default_model]),
    ...named("title_model", [title_model]),
    ...named("fallbacks", [...Object.keys(fallbacks), ...Object.values(fallbacks).flat()]),
    ...named("prices", Object.keys(prices)).map((one) => ({ ...one, isPrice: true as const })),
  ];
}

/** Away from loopback every host is allowed, so a list would not keep others out. */
function hostWarnings({ settings, given }: ReadConfig): string[] {
  const hosts = given.get("allowed_hosts");
  if (!hosts || isLoopback(parseListen(settings.listen, undefined))) return [];
  return [`${hosts.name} has no effect: only on loopback are other hosts refused`];
}

/** True if only programs of this machine can reach the address by TCP. */
export function isLoopback(listen: Listen): boolean {
  return "host" in listen && /^(localhost|127\.|::1$)/.test(listen.host);
}

/** Where tokens of MCP servers are kept, and where browsers come back to from a sign-in at one. */
function signInOf({ settings, dataDir }: ReadConfig) {
  const url = settings.public_url?.replace(/\/+$/, "") ??
    urlOf(parseListen(settings.listen, undefined));
  return url === undefined
    ? undefined
    : { folder: `${dataDir}/mcp`, redirectUrl: url + SIGN_IN_PATH };
}

/** The URL of an address; undefined if it is not known or no browser gets there. */
function urlOf(listen: Listen): string | undefined {
  if (!("host" in listen) || listen.port === 0) return undefined;
  const host = listen.host.includes(":") ? `[${listen.host}]` : listen.host;
  return `http://${host}:${listen.port}`;
}

type Listen = { host: string; port: number } | { unix: string };

function parseListen(listen: string, given: Given | undefined): Listen {
  if (listen.startsWith("unix:")) return { unix: listen.slice("unix:".length) };
  const colon = listen.lastIndexOf(":");
  const port = Number(listen.slice(colon + 1));
  if (port > 65_535 && given) throw invalid(given, `a port up to 65535, found ${port}`);
  return { host: listen.slice(0, colon).replace(/^\[|\]$/g, ""), port };
}

/** The XDG data folder. */
function defaultDataDir(env: ConfigSources["env"]): string {
  if (env["XDG_DATA_HOME"]) return `${env["XDG_DATA_HOME"]}/parley`;
  const home = env["HOME"] ?? env["USERPROFILE"];
  if (home === undefined) {
    throw new UsageError("No data folder: HOME is not set, expected --data DIR");
  }
  return `${home}/.local/share/parley`;
}

/** On loopback only names of this machine are accepted: any other comes from a foreign page's DNS. */
export function allowedHosts({ listen, allowedHosts }: Config): ReadonlySet<string> | undefined {
  if (!isLoopback(listen)) return undefined;
  const own = ["localhost", "127.0.0.1", "[::1]"];
  return new Set([...own, ...allowedHosts.map((host) => host.toLowerCase())]);
}
