/** The keywords that look at one value alone, and take constant or linear time. */
import { z } from "zod";
import { isJsonObject, type Json, type JsonObject } from "../../domain/json.ts";

/** What is wrong with a value; undefined if nothing is. */
type Assertion = (value: Json) => string | undefined;

/** The formats that are checked, in texts short enough for it. By the standard all others are notes. */
const FORMATS: ReadonlyMap<string, z.ZodType> = new Map<string, z.ZodType>([
  ["date-time", z.string().toUpperCase().pipe(z.iso.datetime({ offset: true }))],
  ["date", z.iso.date()],
  ["duration", z.iso.duration()],
  ["email", z.email({ pattern: z.regexes.html5Email })],
  ["hostname", z.hostname()],
  ["ipv4", z.ipv4()],
  ["ipv6", z.ipv6()],
  ["uri", z.string().refine((text) => URL.canParse(text))],
  ["uuid", z.guid()],
]);

/** The longest text with a format, in characters. */
const FORMATTED = 2_000;

const number = (isWrong: (value: number, bound: number) => boolean, words: string) =>
(
  bound: Json,
): Assertion => {
  return (value) =>
    typeof value === "number" && isWrong(value, bound as number)
      ? `Expected ${words} ${bound}, found ${value}`
      : undefined;
};

/** Counts what a value has: characters, items, names. */
const count =
  (of: (value: Json) => number | undefined, isMost: boolean, what: string) =>
  (bound: Json): Assertion => {
    return (value) => {
      const found = of(value);
      if (found === undefined || (isMost ? found <= Number(bound) : found >= Number(bound))) {
        return undefined;
      }
      return `Expected at ${isMost ? "most" : "least"} ${bound} ${what}, found ${found}`;
    };
  };

const characters = (value: Json) => typeof value === "string" ? lengthOf(value) : undefined;
const items = (value: Json) => Array.isArray(value) ? value.length : undefined;
const names = (value: Json) => isJsonObject(value) ? Object.keys(value).length : undefined;

const ASSERTIONS: ReadonlyMap<string, (operand: Json) => Assertion> = new Map([
  ["type", typed],
  ["maximum", number((value, bound) => value > bound, "at most")],
  ["minimum", number((value, bound) => value < bound, "at least")],
  ["exclusiveMaximum", number((value, bound) => value >= bound, "less than")],
  ["exclusiveMinimum", number((value, bound) => value <= bound, "more than")],
  ["multipleOf", number((value, step) => !isMultiple(value, step), "a multiple of")],
  ["maxLength", count(characters, true, "characters")],
  ["minLength", count(characters, false, "characters")],
  ["maxItems", count(items, true, "items")],
  ["minItems", count(items, false, "items")],
  ["maxProperties", count(names, true, "properties")],
  ["minProperties", count(names, false, "properties")],
  ["required", required],
  ["dependentRequired", dependentRequired],
  ["dependencies", dependentRequired],
  ["format", formatted],
]);

/** The assertions of a schema. */
export function assertionsOf(schema: JsonObject): Assertion[] {
  return Object.keys(schema).flatMap((keyword) => {
    const make = ASSERTIONS.get(keyword);
    return make ? [make(schema[keyword]!)] : [];
  });
}

function typed(types: Json): Assertion {
  const expected = [types].flat() as string[];
  const isWhole = expected.includes("integer");
  return (value) => {
    const found = value === null ? "null" : Array.isArray(value) ? "array" : typeof value;
    if (expected.includes(found) || (isWhole && Number.isInteger(value))) return undefined;
    return `Expected "${expected.join('", "').slice(0, 100)}", found "${found}"`;
  };
}

function isMultiple(value: number, step: number): boolean {
  const times = value / step;
  return Math.abs(times - Math.round(times)) < 1e-9 * Math.max(1, Math.abs(times));
}

function required(wanted: Json): Assertion {
  return (value) => {
    if (!isJsonObject(value)) return undefined;
    const missing = (wanted as string[]).find((name) => !Object.hasOwn(value, name));
    return missing === undefined ? undefined : `Expected the property ${quote(missing)}`;
  };
}

function dependentRequired(wanted: Json): Assertion {
  const rules = Object.entries(wanted as JsonObject).flatMap(([name, others]) =>
    Array.isArray(others) ? [[name, required(others)] as const] : []
  );
  return (value) => {
    if (!isJsonObject(value)) return undefined;
    for (const [name, rule] of rules) {
      const wrong = Object.hasOwn(value, name) ? rule(value) : undefined;
      if (wrong) return wrong;
    }
    return undefined;
  };
}

function formatted(name: Json): Assertion {
  const format = FORMATS.get(name as string);
  return (value) => {
    if (!format || typeof value !== "string") return undefined;
    const fits = value.length <= FORMATTED && format.safeParse(value).success;
    return fits ? undefined : `Expected text of the format ${quote(name as string)}`;
  };
}

/** The characters of a text, of which two units of UTF-16 may be one. */
function lengthOf(text: string): number {
  let length = text.length;
  for (let at = 0; at < text.length; at++) if (isTrail(text, at) && isLead(text, at - 1)) length--;
  return length;
}

const isLead = (text: string, at: number) => (text.charCodeAt(at) & 0xfc00) === 0xd800;
const isTrail = (text: string, at: number) => (text.charCodeAt(at) & 0xfc00) === 0xdc00;

/** A text in a message. */
export function quote(text: string): string {
  return JSON.stringify(text.slice(0, 100));
}
