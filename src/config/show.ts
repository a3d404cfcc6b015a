/** `parley config`: the configuration as a file, with the origin of each value. */
import { VERSION } from "../version.ts";
import type { ReadConfig } from "./config.ts";
import { type Given, isReference } from "./given.ts";
import { PROVIDER_FIELDS, type ReadProvider } from "./providers.ts";
import { type Setting, SETTINGS } from "./settings.ts";

/** One value of an object; without text it is only a comment. */
interface Line {
  key: string;
  text?: string;
  comment: string;
}

/**
 * The effective configuration as JSON with comments, which `--config` takes. A secret, or a URL with
 * one, refers to its variable; one that comes from elsewhere is left out, and a comment says so.
 */
export function showConfig(read: ReadConfig): string {
  const lines = (settings: readonly Setting[]) => settings.map((setting) => line(setting, read));
  const group = (name: string): Line => {
    const settings = SETTINGS.filter(({ key }) => key.startsWith(`${name}.`));
    return { key: name, text: object(lines(settings), "  "), comment: "" };
  };
  const providers = read.providers.map((provider) => object(providerLines(provider), "    "));
  return `// The configuration of Parley ${VERSION}, as --config takes it.\n` + object([
    ...lines(SETTINGS.filter(({ key }) => !key.includes("."))),
    group("tools"),
    group("limits"),
    { key: "providers", text: `[\n    ${providers.join(",\n    ")}\n  ]`, comment: "" },
  ], "");
}

function line({ key, secret }: Setting, { settings, given, dataDir }: ReadConfig): Line {
  const name = key.split(".").at(-1)!;
  const found = given.get(key);
  if (found) return givenLine(name, settings[key as keyof typeof settings], found, secret);
  const value = key === "data" ? dataDir : settings[key as keyof typeof settings];
  if (value === undefined) {
    const file = key === "database_url" && `the file ${dataDir}/parley.db, by default`;
    return { key: name, comment: file || "not set" };
  }
  return { key: name, text: JSON.stringify(value), comment: "default" };
}

function providerLines({ fields, config }: ReadProvider): Line[] {
  const values = { ...config, api_key: config.apiKey, base_url: config.baseUrl };
  return PROVIDER_FIELDS.flatMap((field) => {
    const given = fields[field];
    const value = values[field];
    if (given) return givenLine(field, value, given, field === "api_key");
    if (value === undefined || value.length === 0) return [];
    return { key: field, text: JSON.stringify(value), comment: "default" };
  });
}

function givenLine(key: string, value: unknown, given: Given, isSecret = false): Line {
  const { source, variable } = given;
  const url = key.endsWith("_url") ? withoutSecrets(String(value)) : undefined;
  const isOpen = !isSecret && (url === undefined || url === value);
  if (isOpen && !isReference(given)) return { key, text: JSON.stringify(value), comment: source };
  const what = isSecret ? "a secret" : isOpen ? source : `${url} with a secret`;
  if (variable === undefined) return { key, comment: `${what} from ${source}, not shown` };
  return { key, text: JSON.stringify(`\${${variable}}`), comment: what };
}

/** A URL without its user and query. */
function withoutSecrets(url: string): string {
  return url.replace(/^([a-z]+:\/\/)[^/]*@/, "$1").replace(/\?.*$/, "");
}

function object(lines: readonly Line[], indent: string): string {
  const last = lines.findLastIndex(({ text }) => text !== undefined);
  const written = lines.map(({ key, text, comment }, index) =>
    text === undefined
      ? `${indent}  // "${key}": ${comment}\n`
      : `${indent}  "${key}": ${text}${index < last ? "," : ""}${comment && ` // ${comment}`}\n`
  );
  return `{\n${written.join("")}${indent}}`;
}
