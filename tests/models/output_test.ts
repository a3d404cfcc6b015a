/** A schema that cannot check answers is refused, naming the field; a check never throws. */
import { assertEquals, assertMatch } from "@std/assert";
import type { JsonObject } from "../../src/domain/json.ts";
import { outputFailure, schemaProblem } from "../../src/models/output.ts";

const DRAFT_7 = "http://json-schema.org/draft-07/schema#";
const DRAFT_2020 = "https://json-schema.org/draft/2020-12/schema";

const REFUSED: [name: string, schema: JsonObject, field: string, detail: RegExp][] = [
  ["a pattern that is none", { type: "string", pattern: "[" }, "pattern", /regex/],
  ["a pattern that is no text", { pattern: 5 }, "pattern", /"string"/],
  ["a pattern of properties", { patternProperties: { "[": {} } }, "patternProperties.[", /regex/],
  ["a pattern far inside", { $defs: { a: { pattern: "(" } } }, "$defs.a.pattern", /regex/],
  ["required: a number", { required: 5 }, "required", /"array"/],
  ["required: numbers", { required: ["a", 5] }, "required.1", /"string"/],
  ["properties: null", { properties: null }, "properties", /"object"/],
  ["properties: a list", { properties: [] }, "properties", /"object"/],
  ["a property that is no schema", { properties: { a: 5 } }, "properties.a", /"object", "boolean"/],
  ["an unknown type", { properties: { a: { type: "int" } } }, "properties.a.type", /"integer"/],
  ["a list with an unknown type", { type: ["string", "int"] }, "type.1", /"integer"/],
  ["type: a number", { type: 5 }, "type", /"integer"/],
  ["enum: a text", { enum: "a" }, "enum", /"array"/],
  ["items: a number", { items: 5 }, "items", /"object", "boolean"/],
  ["a wrong item of a tuple", { items: [{}, { minLength: -1 }] }, "items.1.minLength", /-1/],
  ["allOf: an object", { allOf: {} }, "allOf", /"array"/],
  ["not: null", { not: null }, "not", /"object", "boolean"/],
  ["minimum: a text", { minimum: "1" }, "minimum", /"number"/],
  ["exclusiveMinimum of draft 4", { exclusiveMinimum: true }, "exclusiveMinimum", /"number"/],
  ["maxItems: a fraction", { maxItems: 1.5 }, "maxItems", /"integer"/],
  ["dependencies: a number", { dependencies: { a: 5 } }, "dependencies.a", /"object"/],
  ["dependentRequired: a text", { dependentRequired: { a: "b" } }, "dependentRequired.a", /array/],
  ["$id: a number", { $id: 5 }, "$id", /"string"/],
  ["$id: not a URI", { $id: "http://[" }, "$id", /URI/],
  ["the same $id twice", { $defs: { a: { $id: "x" }, b: { $id: "x" } } }, "$defs.a.$id", /own/],
  ["a lone surrogate", { properties: { "\ud800": {} } }, "", /well-formed/],
  ["a $ref to nothing", { $ref: "#/$defs/a" }, "$ref", /reference within/],
  ["a $ref to itself", { $ref: "" }, "$ref", /reference that ends/],
  ["a $ref to a prototype", { $ref: "#/constructor" }, "$ref", /reference within/],
  ["a remote $ref", { not: { $ref: "https://example.com/a" } }, "not.$ref", /reference within/],
  ["a name to escape", { properties: { "a/~%é": { $ref: "#b" } } }, "properties.a/~%é.$ref", /ref/],
  [
    "a property named __proto__",
    JSON.parse('{"properties":{"__proto__":5}}'),
    "properties.__proto__",
    /"object"/,
  ],
];

for (const [name, schema, field, detail] of REFUSED) {
  Deno.test(`refused: ${name}`, async () => {
    const problem = await schemaProblem(schema);
    assertEquals(problem?.field, field, problem?.detail);
    assertMatch(problem!.detail, detail);
  });
}

const AGE = { type: "object", properties: { age: { type: "number" } }, required: ["age"] };
const NODE = { type: "object", properties: { next: { $ref: "#/$defs/node" } } };

/** Schemas with an answer that matches, and one that does not. */
const ACCEPTED: [name: string, schema: JsonObject, good: unknown, bad: unknown][] = [
  ["draft 7", { $schema: DRAFT_7, ...AGE, additionalProperties: false }, { age: 1 }, { a: 1 }],
  ["2020-12", { $schema: DRAFT_2020, ...AGE }, { age: 1 }, { age: "1" }],
  ["another $schema", { $schema: "https://example.com/", type: "string" }, "a", 1],
  ["definitions", { $ref: "#/definitions/a", definitions: { a: { type: "null" } } }, null, 1],
  ["recursion", { ...NODE, $defs: { node: NODE } }, { next: { next: {} } }, { next: { next: 1 } }],
  ["recursion to the whole", { properties: { a: { $ref: "#" } }, required: ["b"] }, { b: 1 }, {}],
  ["$anchor", { $ref: "#a", $defs: { a: { $anchor: "a", type: "null" } } }, null, 1],
  ["$id", { $id: "https://a/b", items: { $ref: "c" }, $defs: { c: { $id: "c", not: {} } } }, [], [
    1,
  ]],
  ["a tuple of draft 7", { items: [{ type: "null" }], additionalItems: false }, [null], [null, 1]],
  ["a tuple of 2020-12", { prefixItems: [{ type: "null" }], items: false }, [null], [null, 1]],
  ["types", { type: ["integer", "null"] }, null, 1.5],
  ["booleans", { properties: { a: true, b: false } }, { a: 1 }, { b: 1 }],
  ["if and else", { if: { type: "string" }, then: { minLength: 1 }, else: false }, "a", 1],
  ["an unknown format", { type: "string", format: "colour" }, "red", 1],
  ["an unknown keyword", { type: "string", nullable: 5, example: { type: 5 } }, "red", 1],
  ["a keyword's name", { properties: { pattern: { const: "[" } } }, { pattern: "[" }, {
    pattern: 1,
  }],
  ["a default that is no schema", { default: { $ref: 5 }, const: { $ref: 5 } }, { $ref: 5 }, 1],
];

for (const [name, schema, good, bad] of ACCEPTED) {
  Deno.test(`accepted: ${name}`, async () => {
    const before = structuredClone(schema);
    assertEquals(await schemaProblem(schema), undefined);
    assertEquals(await outputFailure(JSON.stringify(good), { schema }), undefined);
    assertEquals((await outputFailure(JSON.stringify(bad), { schema }))?.class, "invalid_output");
    assertEquals(schema, before);
  });
}

const FAILURES: [name: string, schema: JsonObject, answer: string, reason: RegExp][] = [
  ["a wrong type", AGE, '{"age":"7"}', /: \/age: Expected "number", found "string"$/],
  ["a wrong whole", AGE, "7", /: the whole: Expected "object", found "number"$/],
  ["nothing", AGE, "", /: it is not JSON$/],
  ["JSON that is cut off", AGE, '{"age":', /: it is not JSON$/],
  ["JSON in Markdown", AGE, '```json\n{"age":7}\n```', /: it is not JSON$/],
  ["a schema without an end", { $ref: "#" }, "7", /: it cannot be checked by this schema$/],
  ["a schema that was never read", { pattern: "[" }, '"a"', /: it cannot be checked by/],
];

for (const [name, schema, answer, reason] of FAILURES) {
  Deno.test(`an answer that fails: ${name}`, async () => {
    const failure = await outputFailure(answer, { schema });
    assertEquals([failure?.class, failure?.retryable], ["invalid_output", true]);
    assertMatch(failure!.message, reason);
  });
}
