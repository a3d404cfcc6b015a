/** The forms that values of settings take, as text of the environment and as JSON of the file. */
import { z } from "zod";
import { TOOL_ACTIONS } from "../domain/approval.ts";
import { isName } from "../domain/token.ts";
import { parseMatch } from "../domain/tool_policy.ts";

/** A text that is not blank. */
export const text = z.string().regex(/\S/);

/** A path, as a program gets it: only a shell replaces `~` and `$HOME`. */
export const path = text.regex(/^[^~$]/);

/** A key or token: it must fit into a header. */
export const secret = z.string().regex(/^[\x21-\x7e]+$/);

/** A URL to which paths are added. */
export const httpUrl = z.string().refine((url) =>
  /^https?:\/\/[^\s?#]+$/.test(url) && URL.canParse(url)
);

/** The items of a list, without the space around them and without empty ones. */
export function items(value: string, separator = ","): string[] {
  return value.split(separator).map((item) => item.trim()).filter(Boolean);
}

/** `NAME=VALUE, NAME=VALUE`, each name once. */
function pairs(value: string, context: z.RefinementCtx): Record<string, string> {
  const found: Record<string, string> = Object.create(null);
  for (const item of items(value)) {
    const at = item.indexOf("=");
    const name = item.slice(0, Math.max(0, at)).trim();
    if (name === "") return malformed(context);
    if (Object.hasOwn(found, name)) {
      return malformed(context, `each name once, found ${name} twice`);
    }
    found[name] = item.slice(at + 1).trim();
  }
  return found;
}

function malformed(context: z.RefinementCtx, message?: string): never {
  context.addIssue({ code: "custom", ...(message !== undefined && { message }) });
  return z.NEVER;
}

/** A list, whose items separated by commas may be one text. */
function listOf(item: z.ZodType<string, string>) {
  return z.string().transform((value) => items(value)).or(z.array(z.string())).pipe(z.array(item));
}

/** Ids of models, each once. */
export const models = z.array(text).superRefine((ids, context) => {
  const twice = ids.find((id, index) => ids.indexOf(id) !== index);
  if (twice !== undefined) malformed(context, `each model once, found ${twice} twice`);
});

const name = z.string().refine(isName);
const secrets = z.record(name, secret.min(8)).superRefine((users, context) => {
  const names = Object.keys(users);
  const other = (name: string) => names.find((one) => one !== name && users[one] === users[name]);
  const one = names.find((name) => other(name) !== undefined);
  if (one === undefined) return;
  malformed(context, `a secret of its own for each user, found one for ${one} and ${other(one)}`);
});

/** Secrets by user: `NAME=SECRET, …`, or an object. */
export const users = z.string().transform(pairs).or(z.record(z.string(), z.string())).pipe(secrets);

const otherModels = z.record(text, z.array(text).min(1)).superRefine((models, context) => {
  const [own] = Object.entries(models).find(([model, others]) => others.includes(model)) ?? [];
  if (own !== undefined) malformed(context, `other models, found ${own} as its own fallback`);
});

/** Models by model: `MODEL=OTHER|OTHER, …`, or an object. */
export const fallbacks = z.string().transform(pairs)
  .transform((given) =>
    Object.fromEntries(Object.entries(given).map(([model, ids]) => [model, items(ids, "|")]))
  )
  .or(z.record(z.string(), z.array(z.string()))).pipe(otherModels);

const origin = z.string().superRefine((value, context) => {
  if (!/^[a-z][a-z0-9+.-]*:\/\/[^\s/?#@*]+/i.test(value) || !URL.canParse(value)) {
    return malformed(context);
  }
  const { protocol, host } = new URL(value);
  const origin = `${protocol}//${host}`;
  if (value === origin) return;
  malformed(context, `origins such as https://app.example.com, found one that is not ${origin}`);
});

const hostName = z.string().regex(/^([\w.-]+|\[[0-9a-f:.]+\])$/i);

/** Web origins. */
export const origins = listOf(origin);

/** Names of hosts. */
export const hosts = listOf(hostName);

/** The URL of a database. */
export const databaseUrl = z.string().refine(isDatabaseUrl);

/** True for a file without a host, or for a server with none but libSQL's own parameters. */
function isDatabaseUrl(text: string): boolean {
  if (text.startsWith("file:")) return /^file:(?!\/\/[^/])[^?#~$][^?#]*$/.test(text);
  const url = /^(libsql|https?):\/\/[^\s/?#][^\s#]*$/.test(text) ? URL.parse(text) : null;
  const values = new Map([["authToken", /./], ["tls", /^[01]$/]]);
  const given = [...url?.searchParams ?? []];
  return url !== null && new Set(url.searchParams.keys()).size === given.length &&
    given.every(([name, value]) => values.get(name)?.test(value) ?? false);
}

const price = z.number().min(0);
const priceList = z.record(
  text,
  z.strictObject({ input: price, output: price, cached: price.optional() }),
);

/** Prices by model, as JSON. */
export const prices = z.union([priceList, z.string().transform(jsonText).pipe(priceList)]);

function jsonText(value: string, context: z.RefinementCtx): unknown {
  try {
    return JSON.parse(value);
  } catch {
    return malformed(context);
  }
}

/** Policies of tools: `MATCH=ACTION` separated by commas, or a list of `{match, action}`. */
export const toolPolicies = z.string().transform((value) => splitPolicies(value))
  .or(z.array(z.unknown()))
  .pipe(z.array(z.strictObject({
    match: z.string().max(1_000).refine((match) => parseMatch(match) !== undefined),
    action: z.enum(TOOL_ACTIONS),
  })));

/** A comma inside parentheses belongs to the arguments of a match. */
function splitPolicies(value: string): unknown[] {
  const written = value.match(/(?:\\[^]|\((?:\\[^]|[^\\)])*\)|[^,])+/g) ?? [];
  return written.map((item) => item.trim()).filter(Boolean).map((item) => {
    const at = item.lastIndexOf("=");
    return { match: item.slice(0, Math.max(0, at)).trim(), action: item.slice(at + 1).trim() };
  });
}
