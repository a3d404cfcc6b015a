/** The file of MCP servers that all programs share: `.mcp.json`, an object `mcpServers`. */
import { findNodeAtLocation, getNodeValue, type Node } from "jsonc-parser";
import { z } from "zod";
import { UsageError } from "../domain/errors.ts";
import type { McpProgram, McpServerConfig, McpUrl } from "../domain/mcp.ts";
import { lineOf, parseObject } from "./file.ts";
import { shown } from "./given.ts";
import { mayBeSecret, secretsIn } from "./secrets.ts";

type Environment = Readonly<Record<string, string | undefined>>;

const TYPES = ["stdio", "http", "streamable-http", "sse"] as const;

/** The longest prefix of a server's tools. */
const MAX_NAME = 32;

/** The longest time limit of a call, in milliseconds: a day. */
const MAX_TIMEOUT = 86_400_000;

const texts = z.record(z.string(), z.string());

/** What is read of a server, and what it has to be in words. */
const FIELDS = {
  type: { schema: z.enum(TYPES), expected: "stdio, http, streamable-http or sse" },
  command: { schema: z.string().min(1), expected: "the name or path of a program" },
  args: { schema: z.array(z.string()), expected: "a list of texts" },
  env: { schema: texts, expected: "an object of texts" },
  cwd: { schema: z.string().min(1), expected: "the path of a folder" },
  url: { schema: z.string().refine(isUrl), expected: "an http or https URL without a user" },
  headers: {
    schema: z.record(z.string(), z.string()).refine(areHeaders),
    expected: "an object of HTTP headers",
  },
  timeout: {
    schema: z.number().int().min(1).max(MAX_TIMEOUT),
    expected: `a whole number of milliseconds from 1 to ${MAX_TIMEOUT}`,
  },
} as const;

type Field = keyof typeof FIELDS;
type Server = { [F in Field]?: z.output<(typeof FIELDS)[F]["schema"]> | undefined };

/**
 * The servers in the text of a file that are not disabled. `${NAME}` and `${NAME:-default}` in a text
 * stand for variables of the environment.
 * @throws {UsageError} naming the file, the server, the field and what was expected.
 */
export function readMcpConfig(
  text: string,
  file: string,
  environment: Environment,
): McpServerConfig[] {
  const root = parseObject(text, file, "MCP configuration");
  const servers = findNodeAtLocation(root, ["mcpServers"]);
  const where = (node: Node) => `${file}, line ${lineOf(text, node.offset)}`;
  if (servers?.type !== "object") {
    throw new UsageError(
      `Invalid mcpServers: expected an object of servers (${where(servers ?? root)})`,
    );
  }
  const read = servers.children!.flatMap(({ children }) => {
    const [key, node] = children!;
    return readServer(key!.value, node!, where, environment) ?? [];
  });
  const names = prefixes(read.map(({ title }) => title));
  return read.map((server, index) => ({ name: names[index]!, ...server }));
}

function readServer(
  title: string,
  node: Node,
  where: (node: Node) => string,
  environment: Environment,
): Omit<McpServerConfig, "name"> | undefined {
  const problem = (what: string, rest: string, at = node) =>
    new UsageError(`${what} of the MCP server "${title}": expected ${rest} (${where(at)})`);
  if (node.type !== "object") throw problem("Invalid definition", "an object");
  const disabled = findNodeAtLocation(node, ["disabled"]);
  if (disabled && disabled.type !== "boolean") {
    throw problem("Invalid disabled", "true or false", disabled);
  }
  if (disabled?.value === true) return undefined;
  const secrets = new Set<string>();
  const server: Server = {};
  for (const [field, { schema, expected }] of Object.entries(FIELDS)) {
    const found = findNodeAtLocation(node, [field]);
    if (!found) continue;
    const value = expanded(getNodeValue(found), (variable, fallback) => {
      const known = environment[variable];
      if (known) {
        if (mayBeSecret(known)) secrets.add(known);
        return known;
      }
      if (fallback !== undefined) return fallback;
      throw problem(`Invalid ${field}`, `the environment variable ${variable} to be set`, found);
    });
    const parsed = schema.safeParse(value);
    if (!parsed.success) {
      const [inner] = parsed.error.issues[0]!.path;
      const at = inner === undefined
        ? found
        : findNodeAtLocation(found, [inner as string]) ?? found;
      throw problem(
        inner === undefined ? `Invalid ${field}` : `Invalid ${field}.${String(inner)}`,
        (inner === undefined ? expected : "a text") + foundIn(getNodeValue(at)),
        at,
      );
    }
    Object.assign(server, { [field]: parsed.data });
  }
  const target = targetOf(server, (field, rest) => problem(`Invalid ${field}`, rest));
  return {
    title,
    target,
    ...server.timeout !== undefined && { timeoutMs: server.timeout },
    secrets: [...secrets, ...secretsOf(target)],
  };
}

function targetOf(
  { type, command, args = [], env = {}, cwd, url, headers = {} }: Server,
  problem: (field: Field, rest: string) => UsageError,
): McpProgram | McpUrl {
  if (type === undefined && command !== undefined && url !== undefined) {
    throw problem("url", "either command or url, found both");
  }
  if (type === "stdio" || (type === undefined && url === undefined)) {
    if (command === undefined) throw problem("command", "a program, or a url: found neither");
    return { command, args, env, ...cwd !== undefined && { cwd } };
  }
  if (url === undefined) throw problem("url", `a URL, since the type is ${type}; found none`);
  return { url, headers, type: type === "sse" ? "sse" : "http" };
}

/** What was found instead: never a text, which may be secret. */
function foundIn(value: unknown): string {
  return typeof value === "string" || typeof value === "object" ? "" : `, found ${shown(value)}`;
}

function expanded(value: unknown, read: (variable: string, fallback?: string) => string): unknown {
  if (typeof value === "string") {
    return value.replace(
      /\$\{([A-Za-z_]\w*)(?::-([^}]*))?\}/g,
      (_, variable, fallback) => read(variable, fallback),
    );
  }
  if (Array.isArray(value)) return value.map((item) => expanded(item, read));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, expanded(item, read)]),
  );
}

/** What must not be shown of a server, beside what comes from variables. */
function secretsOf(target: McpProgram | McpUrl): string[] {
  const values = Object.values("command" in target ? target.env : target.headers);
  // A header may have a scheme before its secret.
  const parts = values.flatMap((value) => [value, ...value.split(/\s+/)]);
  return [...new Set(parts.filter(mayBeSecret)), ..."url" in target ? secretsIn(target.url) : []];
}

function isUrl(text: string): boolean {
  const url = URL.parse(text);
  return /^https?:\/\//i.test(text) && url !== null && url.username === "" && url.password === "";
}

function areHeaders(headers: Record<string, string>): boolean {
  try {
    new Headers(headers);
    return true;
  } catch {
    return false;
  }
}

/** The prefixes of Parley's own tools: policies for them must mean no others. */
const OWN = ["demo", "workspace"];

/** A prefix for each name, valid and distinct. A name that is a prefix already keeps it. */
function prefixes(titles: readonly string[]): string[] {
  const taken = new Set([...OWN, ...titles.filter((title) => prefix(title) === title)]);
  return titles.map((title) => {
    const base = prefix(title);
    if (base === title && !OWN.includes(base)) return base;
    let name = base;
    for (let n = 2; taken.has(name); n++) name = `${base.slice(0, MAX_NAME - 4)}-${n}`;
    taken.add(name);
    return name;
  });
}

/** The name with what tools' names may have, and without `__`, which ends the prefix. */
function prefix(title: string): string {
  const trimmed = (text: string) => text.replace(/^[_-]+|[_-]+$/g, "");
  const clean = trimmed(title.replace(/[^a-zA-Z0-9_-]+/g, "-").replace(/_{2,}/g, "_"));
  return trimmed(clean.slice(0, MAX_NAME)) || "server";
}
