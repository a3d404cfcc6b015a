/** Checks values against schemas with a budget, in small steps: no schema and no value takes longer. */
import { isJsonObject, type Json, type JsonObject } from "../../domain/json.ts";
import { assertionsOf, quote } from "./assertions.ts";
import { type Compiled, entriesOf, type Schema } from "./keywords.ts";

/** Where a value does not match, and what was expected there. */
export interface Mismatch {
  path: string[];
  detail: string;
}

/** Work with a point to pause at every few microseconds. */
type Found = Generator<void, Mismatch | undefined>;

/** A check would take more than its budget. */
export class TooMuchWork extends Error {}

/** The budget: up to a second, in turns. */
const STEPS = 500_000;

/** The steps between two points to pause at. */
const PAUSE = 200;

/** The characters of a text that one step compares or counts. */
const CHARACTERS = 50;

/** The most that one match of a pattern may cost, as it has no point to pause at. */
const MATCH = 150_000;

/** What a value has that some schema took note of. */
class Seen {
  readonly names = new Set<string>();
  readonly items = new Set<number>();

  add({ names, items }: Seen): void {
    for (const name of names) this.names.add(name);
    for (const item of items) this.items.add(item);
  }
}

/** A schema, made ready for many values. */
interface Plan {
  asserts: ReturnType<typeof assertionsOf>;
  cost: number;
  isCounted: boolean;
}

/** One check of one value. */
export class Check {
  #steps = 0;
  #paused = 0;
  readonly #plans = new Map<JsonObject, Plan>();
  /** Equal values have the same number, by their text: that of a container is made of numbers. */
  readonly #numbers = new Map<string, number>();
  readonly #known = new Map<object, number>();
  /** The numbers of the values that a schema allows. */
  readonly #options = new Map<JsonObject, Set<number>>();

  constructor(private readonly compiled: Compiled) {}

  /**
   * The first mismatch, in steps.
   * @throws {TooMuchWork}
   */
  run(value: Json): Found {
    return this.#evaluate(this.compiled.schema, value);
  }

  *#evaluate(schema: Schema, value: Json, outer?: Seen): Found {
    if (typeof schema === "boolean") return schema ? undefined : wrong("Expected nothing here");
    const plan = this.#plan(schema);
    const length = plan.isCounted && typeof value === "string" ? value.length / CHARACTERS : 0;
    if (this.#spend(plan.cost + length)) yield;
    for (const assert of plan.asserts) {
      const detail = assert(value);
      if (detail !== undefined) return wrong(detail);
    }
    const seen = this.compiled.tracks ? new Seen() : undefined;
    const mismatch = (yield* this.#equal(schema, value)) ??
      (yield* this.#inPlace(schema, value, seen)) ??
      (isJsonObject(value) ? yield* this.#properties(schema, value, seen) : undefined) ??
      (Array.isArray(value) ? yield* this.#items(schema, value, seen) : undefined) ??
      this.#pattern(schema, value);
    if (!mismatch && seen && outer) {
      this.#spend(seen.names.size + seen.items.size);
      outer.add(seen);
    }
    return mismatch;
  }

  *#equal(schema: JsonObject, value: Json): Found {
    const options = schema.const !== undefined ? [schema.const] : schema.enum as Json[] | undefined;
    if (!options) return undefined;
    let numbers = this.#options.get(schema);
    if (!numbers) {
      this.#options.set(schema, numbers = new Set());
      for (const option of options) numbers.add(yield* this.#numberOf(option));
    }
    if (numbers.has(yield* this.#numberOf(value))) return undefined;
    return wrong(`Expected ${options.length > 1 ? "one of " : ""}${inWords(options)}`);
  }

  #pattern({ pattern }: JsonObject, value: Json): Mismatch | undefined {
    if (typeof pattern !== "string" || typeof value !== "string") return undefined;
    return this.#matches(pattern, value)
      ? undefined
      : wrong(`Expected a match of ${quote(pattern)}`);
  }

  *#inPlace(schema: JsonObject, value: Json, seen: Seen | undefined): Found {
    const target = this.compiled.refs.get(schema);
    const all = (schema.allOf ?? []) as Schema[];
    for (const part of target === undefined ? all : [target, ...all]) {
      const mismatch = yield* this.#evaluate(part, value, seen);
      if (mismatch) return mismatch;
    }
    for (const [keyword, most] of [["anyOf", Infinity], ["oneOf", 1]] as const) {
      const options = schema[keyword] as Schema[] | undefined;
      if (!options) continue;
      let matched = 0;
      for (const option of options) {
        if (!(yield* this.#evaluate(option, value, seen))) matched++;
        if (matched > most || (matched > 0 && most > 1 && !seen)) break;
      }
      if (matched === 0) return wrong(`Expected a match of one of ${options.length} schemas`);
      if (matched > most) return wrong("Expected a match of one schema, found more");
    }
    if (schema.not !== undefined && !(yield* this.#evaluate(schema.not as Schema, value))) {
      return wrong("Expected no match of `not`");
    }
    if (schema.if !== undefined) {
      const isElse = yield* this.#evaluate(schema.if as Schema, value, seen);
      const then = isElse ? schema.else : schema.then;
      const mismatch = then === undefined
        ? undefined
        : yield* this.#evaluate(then as Schema, value, seen);
      if (mismatch) return mismatch;
    }
    if (!isJsonObject(value)) return undefined;
    for (const rules of [schema.dependentSchemas, schema.dependencies]) {
      for (const [name, rule] of entriesOf(rules)) {
        if (Array.isArray(rule) || !Object.hasOwn(value, name)) continue;
        const mismatch = yield* this.#evaluate(rule, value, seen);
        if (mismatch) return mismatch;
      }
    }
    return undefined;
  }

  *#properties(schema: JsonObject, value: JsonObject, seen: Seen | undefined): Found {
    const { properties, propertyNames, additionalProperties, unevaluatedProperties } = schema;
    const patterns = entriesOf(schema.patternProperties);
    const names = propertyNames !== undefined || properties !== undefined || patterns.length > 0 ||
        additionalProperties !== undefined || unevaluatedProperties !== undefined
      ? Object.keys(value)
      : [];
    for (const name of names) {
      if (this.#spend(1)) yield;
      if (propertyNames !== undefined) {
        const mismatch = yield* this.#evaluate(propertyNames as Schema, name);
        if (mismatch) return mismatch;
      }
      const rules: Schema[] = [];
      if (isJsonObject(properties) && Object.hasOwn(properties, name)) {
        rules.push(properties[name] as Schema);
      }
      for (const [pattern, rule] of patterns) if (this.#matches(pattern, name)) rules.push(rule);
      if (rules.length === 0 && additionalProperties !== undefined) {
        rules.push(additionalProperties as Schema);
      }
      for (const rule of rules) {
        const mismatch = yield* this.#evaluate(rule, value[name]!);
        if (mismatch) return inside(name, mismatch);
      }
      if (rules.length > 0) seen?.names.add(name);
    }
    if (unevaluatedProperties === undefined) return undefined;
    for (const name of names) {
      if (seen?.names.has(name)) continue;
      const mismatch = yield* this.#evaluate(unevaluatedProperties as Schema, value[name]!);
      if (mismatch) return inside(name, mismatch);
      seen?.names.add(name);
    }
    return undefined;
  }

  *#items(schema: JsonObject, value: Json[], seen: Seen | undefined): Found {
    const { items, unevaluatedItems, contains, minContains = 1, maxContains = Infinity } = schema;
    const isTuple = Array.isArray(items);
    const first = (schema.prefixItems ?? (isTuple ? items : [])) as Schema[];
    const rest = (isTuple ? schema.additionalItems : items) as Schema | undefined;
    let contained = 0;
    for (const [index, item] of value.entries()) {
      if (this.#spend(1)) yield;
      const rule = index < first.length ? first[index] : rest;
      if (rule !== undefined) {
        const mismatch = yield* this.#evaluate(rule, item);
        if (mismatch) return inside(index, mismatch);
        seen?.items.add(index);
      }
      if (contains !== undefined && !(yield* this.#evaluate(contains as Schema, item))) {
        contained++;
        seen?.items.add(index);
      }
    }
    if (contains !== undefined && contained < Number(minContains)) {
      return wrong(`Expected at least ${minContains} items that match \`contains\``);
    }
    if (contains !== undefined && contained > Number(maxContains)) {
      return wrong(`Expected at most ${maxContains} items that match \`contains\``);
    }
    if (schema.uniqueItems === true) {
      const different = new Set<number>();
      for (const item of value) different.add(yield* this.#numberOf(item));
      if (different.size < value.length) return wrong("Expected items that differ");
    }
    if (unevaluatedItems === undefined) return undefined;
    for (const [index, item] of value.entries()) {
      if (seen?.items.has(index)) continue;
      const mismatch = yield* this.#evaluate(unevaluatedItems as Schema, item);
      if (mismatch) return inside(index, mismatch);
      seen?.items.add(index);
    }
    return undefined;
  }

  /** The number of a value, which all values equal to it have. */
  *#numberOf(value: Json): Generator<void, number> {
    const isContainer = typeof value === "object" && value !== null;
    const known = isContainer ? this.#known.get(value) : undefined;
    if (this.#spend(1)) yield;
    if (known !== undefined) return known;
    let text = "";
    if (Array.isArray(value)) {
      for (const item of value) text += `,${yield* this.#numberOf(item)}`;
      text = `[${text}`;
    } else if (isContainer) {
      for (const name of Object.keys(value).sort()) {
        text += `,${JSON.stringify(name)}:${yield* this.#numberOf(value[name]!)}`;
      }
      text = `{${text}`;
    } else text = JSON.stringify(value);
    if (this.#spend(text.length / CHARACTERS)) yield;
    const number = this.#numbers.get(text) ?? this.#numbers.size;
    this.#numbers.set(text, number);
    if (isContainer) this.#known.set(value, number);
    return number;
  }

  #matches(pattern: string, text: string): boolean {
    const matcher = this.compiled.patterns.get(pattern)!;
    const cost = matcher.size * text.length;
    if (cost > MATCH) throw new TooMuchWork();
    this.#spend(1 + cost / 10);
    return matcher.matches(text);
  }

  #plan(schema: JsonObject): Plan {
    const known = this.#plans.get(schema);
    if (known) return known;
    const asserts = assertionsOf(schema);
    const lists = [schema.required, ...Object.values(schema.dependentRequired ?? {})];
    const size = lists.reduce<number>(
      (sum, list) => sum + (Array.isArray(list) ? list.length : 0),
      0,
    );
    const isCounted = schema.maxLength !== undefined || schema.minLength !== undefined;
    const plan = { asserts, cost: 1 + asserts.length + size, isCounted };
    this.#plans.set(schema, plan);
    return plan;
  }

  /** True if it is time to pause. */
  #spend(steps: number): boolean {
    this.#steps += steps;
    if (this.#steps > STEPS) throw new TooMuchWork();
    if (this.#steps - this.#paused < PAUSE) return false;
    this.#paused = this.#steps;
    return true;
  }
}

function wrong(detail: string): Mismatch {
  return { path: [], detail };
}

function inside(name: string | number, { path, detail }: Mismatch): Mismatch {
  return { path: [String(name), ...path], detail };
}

function inWords(values: readonly Json[]): string {
  return values.slice(0, 10).map((value) => JSON.stringify(value)?.slice(0, 50)).join(", ");
}
