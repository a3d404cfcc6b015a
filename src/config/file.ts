/** The configuration file: JSON with comments. */
import {
  findNodeAtLocation,
  getNodeValue,
  type Node,
  type ParseError,
  parseTree,
  printParseErrorCode,
} from "jsonc-parser";
import { UsageError } from "../domain/errors.ts";
import { type ConfigSources, type Given, invalid, meant } from "./given.ts";

type Path = (string | number)[];

/** A file that was read. */
export interface ConfigFile {
  /** The value at a path. A text `${NAME}` stands for that environment variable. */
  at(path: Path): Given | undefined;
  /** The keys of an object. @throws {UsageError} at the first that is not in `known`. */
  keys(path: Path, known: readonly string[]): string[];
}

/** No file. */
export const NO_FILE: ConfigFile = { at: () => undefined, keys: () => [] };

/** @throws {UsageError} if the file cannot be read, or is not JSONC with an object in it. */
export function readConfigFile(path: string, { readFile, env }: ConfigSources): ConfigFile {
  const { text, root } = parse(path, readFile);
  const where = (node: Node) => `${path}, line ${lineOf(text, node.offset)}`;
  const given = (node: Node, at: Path): Given => {
    const found = { name: at.join("."), source: where(node), inFile: true as const };
    const variable = referenceOf(node.value);
    const value = resolved(getNodeValue(node), (name) => {
      const known = env[name] || undefined;
      if (known !== undefined) return known;
      throw invalid({ ...found, value: "" }, `the environment variable ${name} to be set`);
    });
    return { ...found, value, ...(variable !== undefined && { variable }) };
  };
  return {
    at(path) {
      const node = findNodeAtLocation(root, path);
      return node && given(node, path);
    },
    keys(path, known) {
      const node = findNodeAtLocation(root, path);
      if (!node) return [];
      if (node.type !== "object") throw invalid(given(node, path), "an object");
      return node.children!.map((property) => {
        const key: string = property.children![0]!.value;
        if (known.includes(key)) return key;
        const name = [...path, key].join(".");
        throw new UsageError(`Unknown key "${name}" in ${where(property)}${meant(key, known)}`);
      });
    },
  };
}

function parse(path: string, readFile: ConfigSources["readFile"]): { text: string; root: Node } {
  const text = readText(path, "configuration file", readFile);
  return { text, root: parseObject(text, path, "configuration file") };
}

/** Reads a file without its mark of the order of bytes; `what` names its kind in errors. */
export function readText(path: string, what: string, readFile: ConfigSources["readFile"]): string {
  try {
    return readFile(path).replace(/^\uFEFF/, "");
  } catch {
    throw new UsageError(`Cannot read the ${what} ${path}`);
  }
}

/** @throws {UsageError} if the text of a file is not JSONC with an object in it, each key once. */
export function parseObject(text: string, path: string, what: string): Node {
  const errors: ParseError[] = [];
  const root = parseTree(text, errors, { allowTrailingComma: true });
  const [error] = errors;
  if (error) {
    throw new UsageError(
      `The ${what} ${path} is not valid JSONC: ${printParseErrorCode(error.error)}, ` +
        `line ${lineOf(text, error.offset)}`,
    );
  }
  if (root?.type !== "object") {
    throw new UsageError(`The ${what} ${path} must contain an object.`);
  }
  refuseDoubles(root, (node) => `${path}, line ${lineOf(text, node.offset)}`);
  return root;
}

/** The number of the line at an offset. */
export function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}

/** Of two values with one key, JSON has the last: nobody means that. */
function refuseDoubles(node: Node, where: (node: Node) => string): void {
  const keys = new Set<string>();
  for (const child of node.children ?? []) {
    const key = child.type === "property" ? child.children![0]!.value : undefined;
    if (key !== undefined && keys.has(key)) {
      throw new UsageError(`The key "${key}" is there twice, the second time in ${where(child)}`);
    }
    keys.add(key);
    refuseDoubles(child, where);
  }
}

/** The variable that a text stands for. */
function referenceOf(value: unknown): string | undefined {
  return typeof value === "string" ? /^\$\{(\w+)\}$/.exec(value)?.[1] : undefined;
}

function resolved(value: unknown, read: (variable: string) => string): unknown {
  const variable = referenceOf(value);
  if (variable !== undefined) return read(variable);
  if (Array.isArray(value)) return value.map((item) => resolved(item, read));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [key, resolved(item, read)]),
  );
}
