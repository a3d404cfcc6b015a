/** Reads a schema: its size, its keywords, its references, and its patterns. */
import { isJsonObject, type Json, type JsonObject } from "../../domain/json.ts";
import { inTurns } from "../../domain/pauses.ts";
import { Check } from "./check.ts";
import {
  type Compiled,
  entriesOf,
  META,
  type Schema,
  SchemaProblem,
  schemasIn,
  schemasInPlace,
} from "./keywords.ts";
import { compilePatterns } from "./pattern.ts";

/** The largest schema, in values and in characters. */
const MAX_VALUES = 10_000;
const MAX_CHARACTERS = 200_000;

/** How many schemas may apply to one and the same value, and how deep inside each other. */
const MAX_UNFOLDED = 10_000;
const MAX_NESTED = 32;

/** The base of references. */
const BASE = "https://schema.invalid/";

/** A schema and how one gets to it. */
interface Place {
  schema: Schema;
  path: readonly string[];
  base: string;
}

/**
 * Makes a schema ready. Other work has its turn meanwhile.
 * @throws {SchemaProblem} if it cannot check values; {TooMuchWork} if reading it takes too long.
 */
export async function compile(schema: JsonObject): Promise<Compiled> {
  checkSize(schema);
  const reader = new Reader();
  await inTurns(reader.read({ schema, path: [], base: BASE }));
  const { refs, tracks, patterns } = reader;
  return { schema, refs, tracks, patterns: await compilePatterns(patterns) };
}

class Reader {
  readonly refs = new Map<JsonObject, Schema>();
  /** Each pattern, with a field that has it. */
  readonly patterns = new Map<string, readonly string[]>();
  tracks = false;
  /** The schemas that were read. */
  readonly #places = new Map<JsonObject, Place>();
  /** What URIs name: the schemas with an `$id`, and anchors. */
  readonly #named = new Map<string, Place>();
  readonly #unfolded = new Map<JsonObject, { size: number; height: number }>();

  /** Reads a schema, all inside it, and all that it refers to. */
  *read(root: Place): Generator<void, void> {
    this.#named.set(BASE, root);
    const roots = [root];
    for (let at = roots.pop(); at; at = roots.pop()) {
      const mismatch = yield* new Check(META).run(at.schema);
      if (mismatch) throw new SchemaProblem([...at.path, ...mismatch.path], mismatch.detail);
      const found = yield* this.#walk(at);
      for (const place of found) {
        yield;
        const { $ref } = place.schema as JsonObject;
        if ($ref === undefined) continue;
        const target = this.#target($ref as string, place.base);
        if (!target) throw problem(place, "$ref", "Expected a reference within the schema");
        this.refs.set(place.schema as JsonObject, target.schema);
        // A reference may lead to where no keyword has a schema.
        if (isJsonObject(target.schema) && !this.#places.has(target.schema)) roots.push(target);
      }
    }
    for (const place of this.#places.values()) {
      yield;
      this.#unfold(place);
    }
  }

  *#walk(root: Place): Generator<void, Place[]> {
    const found: Place[] = [];
    const rest = [root];
    for (let place = rest.pop(); place; place = rest.pop()) {
      yield;
      const { schema, path } = place;
      if (!isJsonObject(schema) || this.#places.has(schema)) continue;
      const base = this.#name(place, schema);
      const own = { schema, path, base };
      this.#places.set(schema, own);
      found.push(own);
      this.tracks ||= "unevaluatedProperties" in schema || "unevaluatedItems" in schema;
      if (typeof schema.pattern === "string") {
        this.patterns.set(schema.pattern, [...path, "pattern"]);
      }
      for (const [pattern] of entriesOf(schema.patternProperties)) {
        this.patterns.set(pattern, [...path, "patternProperties", pattern]);
      }
      for (const [names, inner] of schemasIn(schema)) {
        rest.push({ schema: inner, path: [...path, ...names], base });
      }
    }
    return found;
  }

  /** Notes a schema's own names; returns the base of the references inside it. */
  #name(place: Place, { $id, $anchor }: JsonObject): string {
    let { base } = place;
    const isAnchor = typeof $id === "string" && $id.startsWith("#");
    if (typeof $id === "string" && !isAnchor) {
      const [uri] = URL.parse($id, base)?.href.split("#") ?? [];
      if (uri === undefined) throw problem(place, "$id", "Expected a URI");
      if (this.#named.has(uri)) throw problem(place, "$id", "Expected an $id of its own");
      base = uri;
      this.#named.set(uri, { ...place, base });
    }
    const anchors = [
      ...(isAnchor ? [$id.slice(1)] : []),
      ...($anchor === undefined ? [] : [$anchor]),
    ];
    for (const anchor of anchors) this.#named.set(`${base}#${anchor}`, { ...place, base });
    return base;
  }

  /** What a reference means: an anchor, or what a JSON pointer leads to. */
  #target(ref: string, base: string): Place | undefined {
    const [uri = "", fragment = ""] = URL.parse(ref, base)?.href.split("#") ?? [];
    let pointer: string;
    try {
      pointer = decodeURIComponent(fragment);
    } catch {
      return undefined;
    }
    if (pointer !== "" && !pointer.startsWith("/")) return this.#named.get(`${uri}#${pointer}`);
    const root = this.#named.get(uri);
    if (!root) return undefined;
    let at: Json | undefined = root.schema;
    const names = pointer.split("/").slice(1).map((name) =>
      name.replaceAll("~1", "/").replaceAll("~0", "~")
    );
    for (const name of names) {
      if (typeof at !== "object" || at === null || !Object.hasOwn(at, name)) return undefined;
      at = (at as JsonObject)[name];
    }
    return typeof at === "boolean" || isJsonObject(at)
      ? { schema: at, path: [...root.path, ...names], base: root.base }
      : undefined;
  }

  /** Refuses what applies to one value without end, or too often. */
  #unfold(place: Place, around: ReadonlySet<Schema> = new Set()): { size: number; height: number } {
    const { schema } = place;
    if (!isJsonObject(schema)) return { size: 1, height: 1 };
    const known = this.#unfolded.get(schema);
    if (known) return known;
    const open = new Set(around).add(schema);
    const sum = { size: 1, height: 1 };
    for (const [names, inner] of schemasInPlace(schema, this.refs)) {
      const refuse = (detail: string) => new SchemaProblem([...place.path, ...names], detail);
      if (open.has(inner)) throw refuse("Expected a reference that ends");
      const at = isJsonObject(inner) ? this.#places.get(inner)! : { ...place, schema: inner };
      const { size, height } = open.size < MAX_NESTED
        ? this.#unfold(at, open)
        : { size: 1, height: MAX_NESTED };
      sum.size += size;
      sum.height = Math.max(sum.height, height + 1);
      if (sum.size > MAX_UNFOLDED || sum.height > MAX_NESTED) {
        const most = `${MAX_UNFOLDED} schemas, ${MAX_NESTED} inside each other`;
        throw refuse(`Expected at most ${most}, that apply to the same value`);
      }
    }
    this.#unfolded.set(schema, sum);
    return sum;
  }
}

function problem({ path }: Place, keyword: string, detail: string): SchemaProblem {
  return new SchemaProblem([...path, keyword], detail);
}

function checkSize(schema: JsonObject): void {
  let [values, characters] = [0, 0];
  const rest: Json[] = [schema];
  for (let value = rest.pop(); value !== undefined; value = rest.pop()) {
    values++;
    const names = isJsonObject(value) ? Object.keys(value) : [];
    for (const text of typeof value === "string" ? [value] : names) {
      characters += text.length;
      if (!text.isWellFormed()) throw new SchemaProblem([], "Expected well-formed text");
    }
    if (typeof value === "object" && value !== null) {
      for (const inner of Object.values(value)) rest.push(inner);
    }
    if (values <= MAX_VALUES && characters <= MAX_CHARACTERS) continue;
    const most = `${MAX_VALUES} values and ${MAX_CHARACTERS} characters`;
    throw new SchemaProblem([], `Expected a schema of at most ${most}`);
  }
}
