/** Which providers the environment and the configuration file name. */
import { z } from "zod";
import { UsageError } from "../domain/errors.ts";
import { PROVIDER_TYPES, type ProviderConfig, type ProviderType } from "../domain/provider.ts";

/** A provider in the configuration file. */
export const providerSchema = z.strictObject({
  type: z.enum(PROVIDER_TYPES),
  name: z.string().regex(/^[a-z0-9][a-z0-9_.-]*$/i).optional(),
  api_key: z.string().optional(),
  base_url: z.url({ protocol: /^https?$/ }).optional(),
  models: z.array(z.string().min(1)).optional(),
});

type Raw = z.infer<typeof providerSchema>;
type Env = Record<string, string | undefined>;

/**
 * The providers, numbered ones first, then those of the file, then those of the keys that people
 * have set anyway; with none at all, the demo model.
 * @throws {UsageError} that names the variable, what was found and what was expected.
 */
export function readProviders(env: Env, file: readonly Raw[]): ProviderConfig[] {
  const named = [
    ...numberedProviders("PARLEY_AI_PROVIDER_", env),
    ...numberedProviders("CODER_AI_PROVIDER_", env),
    ...file,
  ];
  const raw = named.length > 0 ? named : knownKeys(env);
  if (raw.length === 0) return [{ type: "demo", name: "demo", models: [] }];
  const names = new Set<string>();
  return raw.map((provider) => {
    if (provider.type === "openai-compatible" && provider.base_url === undefined) {
      throw new UsageError(
        `Invalid provider ${provider.name ?? provider.type}: expected a base URL, found none`,
      );
    }
    const name = uniqueName(provider.name ?? provider.type, names);
    return {
      type: provider.type,
      name,
      apiKey: provider.api_key,
      baseUrl: provider.base_url?.replace(/\/+$/, ""),
      models: provider.models ?? [],
    };
  });
}

/** `<prefix><n>_TYPE|_API_KEY|_BASE_URL|_MODELS|_NAME`, as the seed's server reads them. */
function numberedProviders(prefix: string, env: Env): Raw[] {
  const groups = new Map<number, Record<string, string>>();
  for (const [name, value] of Object.entries(env)) {
    const match = new RegExp(`^${prefix}(\\d+)_([A-Z_]+)$`).exec(name);
    if (!match || value === undefined || value === "") continue;
    const index = Number(match[1]);
    groups.set(index, { ...groups.get(index), [match[2]!.toLowerCase()]: value });
  }
  return [...groups].sort(([a], [b]) => a - b)
    .map(([index, fields]) => numbered(`${prefix}${index}_`, fields));
}

function numbered(prefix: string, { type, models, ...fields }: Record<string, string>): Raw {
  const known = ["name", "api_key", "base_url"];
  const unknown = Object.keys(fields).find((field) => !known.includes(field));
  if (unknown !== undefined) {
    throw new UsageError(
      `Unknown variable ${prefix}${unknown.toUpperCase()}: expected ` +
        `${prefix}TYPE, _NAME, _API_KEY, _BASE_URL or _MODELS`,
    );
  }
  const parsed = providerSchema.safeParse({
    ...fields,
    type,
    ...(models !== undefined && {
      models: models.split(",").map((model) => model.trim()).filter(Boolean),
    }),
  });
  if (parsed.success) return parsed.data;
  const field = String(parsed.error.issues[0]?.path[0] ?? "type");
  throw new UsageError(
    `Invalid ${prefix}${field.toUpperCase()}: expected ${EXPECTED[field]}, found ${
      field === "api_key" ? "another" : JSON.stringify({ type, ...fields }[field] ?? "nothing")
    }`,
  );
}

const EXPECTED: Record<string, string> = {
  type: `one of ${PROVIDER_TYPES.join(", ")}`,
  base_url: "an http(s) URL",
  name: "letters, digits, dots and dashes",
  models: "ids separated by commas",
};

function knownKeys(env: Env): Raw[] {
  const known: [ProviderType, string | undefined, string | undefined][] = [
    ["openai", env["OPENAI_API_KEY"], env["OPENAI_BASE_URL"]],
    ["anthropic", env["ANTHROPIC_API_KEY"], env["ANTHROPIC_BASE_URL"]],
    ["google", env["GOOGLE_API_KEY"] || env["GOOGLE_GENERATIVE_AI_API_KEY"], undefined],
  ];
  // A local server needs no key: its address alone says that it is meant.
  return known
    .filter(([type, key, url]) => key || (type === "openai" && url))
    .map(([type, key, url]) => ({
      type,
      ...(key && { api_key: key }),
      ...(url && { base_url: url }),
    }));
}

function uniqueName(name: string, taken: Set<string>): string {
  let unique = name;
  for (let n = 2; taken.has(unique); n++) unique = `${name}-${n}`;
  taken.add(unique);
  return unique;
}
