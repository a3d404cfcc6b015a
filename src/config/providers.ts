/** Reads the providers from the environment and the configuration file. */
import { z } from "zod";
import { UsageError } from "../domain/errors.ts";
import { PROVIDER_TYPES, type ProviderConfig } from "../domain/provider.ts";
import type { ConfigFile } from "./file.ts";
import { check, type Given, invalid } from "./given.ts";
import { httpUrl, items, models, secret } from "./values.ts";

type Env = Record<string, string | undefined>;

/** How the numbered variables of a provider begin: ours, and those of the AgenticChat server. */
export const PROVIDER_PREFIXES = ["PARLEY_AI_PROVIDER_", "CODER_AI_PROVIDER_"] as const;

/** What can be said about a provider; in the environment in capitals. */
const FIELDS = {
  type: { schema: z.enum(PROVIDER_TYPES), expected: `one of ${PROVIDER_TYPES.join(", ")}` },
  name: {
    schema: z.string().regex(/^[a-z0-9][a-z0-9_.-]*$/i),
    expected: "letters, digits, dots and dashes",
  },
  api_key: { schema: secret, expected: "a key of visible ASCII characters" },
  base_url: { schema: httpUrl, expected: "an http(s) URL without a query" },
  models: { schema: models, expected: "ids of models, each once" },
} as const;

type Field = keyof typeof FIELDS;
export const PROVIDER_FIELDS = Object.keys(FIELDS) as Field[];

/** A provider as it was given, possibly by the environment and the file together. */
export interface GivenProvider {
  fields: Partial<Record<Field, Given>>;
  /** The name of a field that is not given. */
  nameOf(field: Field): string;
}

/** A provider, and where each part of it comes from. */
export interface ReadProvider extends GivenProvider {
  config: ProviderConfig;
}

/**
 * The numbered providers, then those in the file; without any, those with a well-known key in the
 * environment; without any, the demo model. A provider of the file that has the name of a numbered one
 * says what the environment does not.
 * @throws {UsageError} naming the variable or key, what was found and what was expected.
 */
export function readProviders(env: Env, file: ConfigFile): ReadProvider[] {
  const numbered = PROVIDER_PREFIXES.flatMap((prefix) => numberedProviders(prefix, env));
  const named = [...numbered];
  for (const provider of fileProviders(file)) {
    const name = provider.fields.name?.value;
    const same = numbered.find(({ fields }) => (fields.name ?? fields.type)?.value === name);
    if (name !== undefined && same) same.fields = { ...provider.fields, ...same.fields };
    else named.push(provider);
  }
  const given = named.length > 0 ? named : knownKeys(env);
  if (given.length === 0) given.push({ fields: {}, nameOf: String });
  return unique(given.map((provider) => ({ ...provider, config: parse(provider) })));
}

function parse({ fields, nameOf }: GivenProvider): ProviderConfig {
  const read = <T>(
    field: Field,
    { schema, expected }: { schema: z.ZodType<T>; expected: string },
  ): T | undefined => {
    const given = fields[field];
    return given && check(given, schema, expected, field === "api_key");
  };
  if (Object.keys(fields).length === 0) return { type: "demo", name: "demo", models: [] };
  const missing = (field: Field, why: string) => new UsageError(`Missing ${nameOf(field)}: ${why}`);
  const type = read("type", FIELDS.type);
  if (type === undefined) throw missing("type", `expected ${FIELDS.type.expected}`);
  const name = read("name", FIELDS.name) ?? type;
  const apiKey = read("api_key", FIELDS.api_key);
  const baseUrl = read("base_url", FIELDS.base_url)?.replace(/\/+$/, "");
  const models = read("models", FIELDS.models) ?? [];
  if (type === "openai-compatible" && baseUrl === undefined) {
    throw missing("base_url", "expected a base URL, since the type is openai-compatible");
  }
  const extra = fields.api_key ?? fields.base_url;
  if (type === "demo" && extra) throw invalid(extra, "nothing: the demo model asks no server");
  if (type !== "demo" && apiKey === undefined && baseUrl === undefined) {
    throw missing("api_key", `expected the key of ${type}, or the URL of a server that needs none`);
  }
  return { type, name, apiKey, baseUrl, models };
}

/** Gives providers without a name one of their own. @throws {UsageError} if two were given the same. */
function unique(providers: ReadProvider[]): ReadProvider[] {
  const taken = new Set<string>();
  for (const { fields, config } of providers) {
    if (!fields.name) continue;
    if (taken.has(config.name)) {
      throw invalid(fields.name, `a name that no other provider has, found "${config.name}"`);
    }
    taken.add(config.name);
  }
  for (const { fields, config } of providers) {
    if (fields.name) continue;
    for (let n = 2; taken.has(config.name); n++) config.name = `${config.type}-${n}`;
    taken.add(config.name);
  }
  return providers;
}

/** `<prefix><n>_TYPE|_API_KEY|_BASE_URL|_MODELS|_NAME`, as the AgenticChat server reads them. */
function numberedProviders(prefix: string, env: Env): GivenProvider[] {
  const groups = new Map<number, GivenProvider>();
  for (const [name, value] of Object.entries(env)) {
    const [, number, suffix] = new RegExp(`^${prefix}(\\d+)_([A-Z_]+)$`).exec(name) ?? [];
    if (suffix === undefined || value === undefined || value === "") continue;
    const nameOf = (field: Field) => `${prefix}${number}_${field.toUpperCase()}`;
    const group = groups.get(Number(number)) ?? { fields: {}, nameOf };
    groups.set(Number(number), group);
    const field = suffix.toLowerCase() as Field;
    const given = { name, source: name, variable: name };
    group.fields[field] = { ...given, value: field === "models" ? items(value) : value };
  }
  const numbers = [...groups.keys()].sort((a, b) => a - b);
  const first = Math.min(1, numbers[0] ?? 0);
  numbers.forEach((number, index) => {
    if (number === first + index) return;
    throw new UsageError(
      `Missing ${prefix}${
        first + index
      }_TYPE: expected providers without a gap in their numbers, ` +
        `found ${prefix}${number}_…`,
    );
  });
  return numbers.map((number) => groups.get(number)!);
}

function fileProviders(file: ConfigFile): GivenProvider[] {
  const list = file.at(["providers"]);
  if (!list) return [];
  if (!Array.isArray(list.value)) throw invalid(list, "a list of providers");
  return list.value.map((_, index) => {
    const fields = file.keys(["providers", index], PROVIDER_FIELDS).map((field) =>
      [field, file.at(["providers", index, field])] as const
    );
    return {
      fields: Object.fromEntries(fields) as GivenProvider["fields"],
      nameOf: (field) => `providers.${index}.${field} (${file.at(["providers", index])?.source})`,
    };
  });
}

function knownKeys(env: Env): GivenProvider[] {
  const of = (name: string): Given | undefined =>
    env[name] ? { value: env[name], name, source: name, variable: name } : undefined;
  const known = [
    ["openai", "OPENAI_API_KEY", of("OPENAI_API_KEY"), of("OPENAI_BASE_URL")],
    ["anthropic", "ANTHROPIC_API_KEY", of("ANTHROPIC_API_KEY"), of("ANTHROPIC_BASE_URL")],
    [
      "google",
      "GOOGLE_API_KEY",
      of("GOOGLE_API_KEY") ?? of("GOOGLE_GENERATIVE_AI_API_KEY"),
      undefined,
    ],
  ] as const;
  // A local server needs no key: its URL alone selects it.
  return known
    .filter(([type, , key, url]) => key || (type === "openai" && url))
    .map(([type, variable, key, url]) => ({
      fields: {
        type: { value: type, name: variable, source: (key ?? url)!.source },
        ...(key && { api_key: key }),
        ...(url && { base_url: url }),
      },
      nameOf: () => variable,
    }));
}
