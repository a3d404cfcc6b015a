/** Values that are nearly right. */
import fc from "fast-check";
import type { Json } from "../../../src/domain/json.ts";

const WORDS = [
  ...["id", "role", "parts", "content", "type", "text", "state", "url", "mediaType", "mimeType"],
  ...["data", "toolInvocation", "toolCallId", "toolName", "args", "input", "result", "details"],
  ...["reasoning", "source", "metadata", "annotations", "value", "providerMetadata", "anthropic"],
  ...["__proto__", "constructor", "experimental_attachments", "filename", "name", "signature"],
];
const TYPES = [
  ...["text", "reasoning", "file", "source", "source-url", "source-document", "step-start"],
  ...["tool-invocation", "tool-", "tool-where", "dynamic-tool", "data-", "data-x", "unknown-x"],
  ...["user", "assistant", "system", "result", "call", "output-available", "approval-requested"],
];
const URLS = [
  ...["data:image/png;base64,AAAA", "data:,", "data:image/png;base64,%", "https://e.example/a"],
  ...["https://", "http://[", "file:///etc/passwd", "javascript:alert(1)", "/api/v2/chats/x"],
  "/api/v2/chats/cc2668f2-b082-4967-a874-361a783dad81/files/cc2668f2-b082-4967-a874-361a783dad82",
];

const leaf = fc.oneof(
  fc.constantFrom<Json[]>(null, true, 0, -1, 1e300, "", " ", "a", "😀", "\ud83d"),
  fc.constantFrom<Json[]>(...TYPES),
  fc.constantFrom<Json[]>(...URLS),
  fc.string({ maxLength: 6 }),
);

/** JSON of any shape, out of the words that messages are made of. */
export const anyJson: fc.Arbitrary<Json> = fc.letrec<{ json: Json }>((tie) => ({
  json: fc.oneof(
    { depthSize: "small", withCrossShrink: true },
    leaf,
    fc.array(tie("json"), { maxLength: 4 }),
    fc.array(fc.tuple(fc.constantFrom(...WORDS), tie("json")), { maxLength: 5 }).map(asParsed),
  ),
})).json;

/** Changes of a value: each at a place that its number chooses. */
export const mutations: fc.Arbitrary<Mutation[]> = fc.array(
  fc.record({
    at: fc.nat(),
    kind: fc.constantFrom(
      ...(["replace", "retype", "retype", "delete", "rename", "wrap", "copy"] as const),
    ),
    value: anyJson,
    word: fc.constantFrom(...TYPES, ...URLS),
    key: fc.constantFrom(...WORDS),
  }),
  { minLength: 1, maxLength: 3 },
);

interface Mutation {
  at: number;
  kind: "replace" | "retype" | "delete" | "rename" | "wrap" | "copy";
  value: Json;
  /** In place of a text. */
  word: string;
  key: string;
}

/** The value with these changes, as a request would bring it. */
export function mutate(value: unknown, mutations: Mutation[]): unknown {
  const root = JSON.parse(JSON.stringify({ root: value }));
  for (const { at, kind, value, word, key } of mutations) {
    const { parent, name } = placeOf(root, at);
    const old = parent[name];
    if (kind === "retype") set(parent, name, typeof old === "string" ? word : old);
    else if (kind === "wrap") set(parent, name, at % 2 === 0 ? [old] : { [key]: old });
    else if (kind === "copy" && Array.isArray(parent)) parent.push(structuredClone(old));
    else if (kind === "replace" || name === "root") set(parent, name, value);
    else if (Array.isArray(parent)) parent.splice(Number(name), 1);
    else {
      delete parent[name];
      if (kind === "rename") set(parent, key, old);
    }
  }
  return root.root;
}

/** The place that a number leads to, at any depth. */
// deno-lint-ignore no-explicit-any
function placeOf(root: object, at: number): { parent: any; name: string } {
  for (let parent = root;;) {
    const entries = Object.entries(parent);
    const [name, child] = entries[at % entries.length]!;
    at = Math.floor(at / entries.length);
    const goesOn = typeof child === "object" && child !== null && Object.keys(child).length > 0;
    if (!goesOn || (parent !== root && at % 4 === 0)) return { parent, name };
    parent = child;
  }
}

/** As `JSON.parse` sets it: `__proto__` is a key like any other. */
function set(parent: object, key: string, value: unknown): void {
  Object.defineProperty(parent, key, {
    value,
    enumerable: true,
    configurable: true,
    writable: true,
  });
}

/** As `JSON.parse` makes objects: `__proto__` is a key like any other. */
function asParsed(entries: [string, Json][]): Json {
  const pairs = entries.map(([key, value]) => `${JSON.stringify(key)}:${JSON.stringify(value)}`);
  return JSON.parse(`{${pairs.join(",")}}`);
}
