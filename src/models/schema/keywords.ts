/** The keywords of JSON schema, of draft 7 and later, and what their values are. Others mean nothing. */
import { isJsonObject, type JsonObject } from "../../domain/json.ts";

/** A schema, or one inside another. */
export type Schema = boolean | JsonObject;

/** A schema that values can be checked against. */
export interface Compiled {
  schema: Schema;
  /** What each `$ref` means, by the schema that has it. */
  refs: ReadonlyMap<JsonObject, Schema>;
  patterns: ReadonlyMap<string, Matcher>;
  /** True if a schema asks what others have evaluated. */
  tracks: boolean;
}

/** Tells whether a text matches a pattern, in linear time. */
export interface Matcher {
  /** What a character of a text costs. */
  size: number;
  matches(text: string): boolean;
}

const SINGLE = [
  ...["additionalProperties", "unevaluatedProperties", "propertyNames", "not", "if", "then"],
  ...["else", "additionalItems", "unevaluatedItems", "contains"],
];
const LISTS = ["prefixItems", "allOf", "anyOf", "oneOf"];
const MAPS = ["$defs", "definitions", "properties", "patternProperties", "dependentSchemas"];

const SCHEMA: Schema = { $ref: "#" };
const TEXT: Schema = { type: "string", maxLength: 2_000 };
const COUNT: Schema = { type: "integer", minimum: 0 };
const TYPE: Schema = {
  enum: ["array", "boolean", "integer", "null", "number", "object", "string"],
};

const list = (items: Schema): Schema => ({ type: "array", items });
const listOr = (items: Schema, single: Schema): Schema => (
  { if: { type: "array" }, then: { items }, else: single }
);
const map = (values: Schema): Schema => ({ type: "object", additionalProperties: values });
const each = (keywords: readonly string[], value: Schema): Record<string, Schema> =>
  Object.fromEntries(keywords.map((keyword) => [keyword, value]));

const KEYWORDS: JsonObject = {
  type: ["object", "boolean"],
  properties: {
    ...each(["$id", "$ref", "$anchor", "format", "pattern"], TEXT),
    ...each(["maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum"], { type: "number" }),
    multipleOf: { type: "number", exclusiveMinimum: 0 },
    ...each(["maxLength", "minLength", "maxItems", "minItems", "maxContains"], COUNT),
    ...each(["minContains", "maxProperties", "minProperties"], COUNT),
    ...each(SINGLE, SCHEMA),
    ...each(LISTS, list(SCHEMA)),
    ...each(MAPS, map(SCHEMA)),
    type: listOr(TYPE, TYPE),
    items: listOr(SCHEMA, SCHEMA),
    enum: { type: "array" },
    required: list({ type: "string" }),
    dependentRequired: map(list({ type: "string" })),
    dependencies: map(listOr({ type: "string" }, SCHEMA)),
  },
};

/** The schema of schemas. */
export const META: Compiled = {
  schema: KEYWORDS,
  refs: new Map([[SCHEMA, KEYWORDS]]),
  patterns: new Map(),
  tracks: false,
};

/** The schemas inside a schema, with the names that lead to them. */
export function* schemasIn(schema: JsonObject): Generator<[names: string[], inner: Schema]> {
  for (const keyword of Object.keys(schema)) {
    const value = schema[keyword];
    const isList = LISTS.includes(keyword) || (keyword === "items" && Array.isArray(value));
    if (isList || MAPS.includes(keyword) || keyword === "dependencies") {
      for (const [name, inner] of Object.entries(value as object)) {
        if (!Array.isArray(inner)) yield [[keyword, name], inner];
      }
    } else if (SINGLE.includes(keyword) || keyword === "items") yield [[keyword], value as Schema];
  }
}

const IN_PLACE = [
  ...["allOf", "anyOf", "oneOf", "not", "if", "then", "else"],
  ...["dependentSchemas", "dependencies"],
];

/** The schemas that apply to the very value that a schema applies to, with their names. */
export function* schemasInPlace(
  schema: JsonObject,
  refs: Compiled["refs"],
): Generator<[names: string[], inner: Schema]> {
  const target = refs.get(schema);
  if (target !== undefined) yield [["$ref"], target];
  for (const found of schemasIn(schema)) if (IN_PLACE.includes(found[0][0]!)) yield found;
}

/** Why a schema cannot check values, and in which field. */
export class SchemaProblem extends Error {
  override readonly name = "SchemaProblem";
  constructor(readonly path: readonly string[], message: string) {
    super(message);
  }
}

/** The values of an object; none of anything else. */
export function entriesOf(value: unknown): [string, Schema][] {
  return isJsonObject(value) ? Object.entries(value) as [string, Schema][] : [];
}
