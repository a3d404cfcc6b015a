/** No schema and no answer makes a check long: what would be is refused, or ends with its budget. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { Json, JsonObject } from "../../src/domain/json.ts";
import { outputFailure, schemaProblem } from "../../src/models/output.ts";
import { Check } from "../../src/models/schema/check.ts";
import { compile } from "../../src/models/schema/compile.ts";

const many = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, index) => make(index));
const named = (count: number, make: (index: number) => [string, Json]): JsonObject =>
  Object.fromEntries(many(count, make));

/** Definitions of which each refers to the next one, `times` times. */
function chain(length: number, times: number): JsonObject {
  const to = (index: number) => ({ $ref: `#/$defs/d${index}` });
  const link = (index: number) =>
    index === length - 1 ? { type: "number" } : { allOf: many(times, () => to(index + 1)) };
  return { ...to(0), $defs: named(length, (index) => [`d${index}`, link(index)]) };
}

const REFUSED: [name: string, schema: JsonObject, field: RegExp, detail: RegExp][] = [
  ["references that double", chain(16, 2), /^\$defs\.d\d+\.allOf/, /at most 10000 schemas/],
  ["references that double for long", chain(500, 2), /^\$defs\.d\d+\./, /32 inside each other/],
  ["a long chain of references", chain(1_500, 1), /^\$defs\.d\d+\./, /32 inside each other/],
  ["a reference to itself", { $ref: "#" }, /^\$ref$/, /reference that ends/],
  [
    "references in a circle",
    {
      $defs: { a: { not: { $ref: "#/$defs/b" } }, b: { anyOf: [{ $ref: "#/$defs/a" }] } },
    },
    /^\$defs\.b\.anyOf\.0\.\$ref$|^\$defs\.a\.not\.\$ref$/,
    /reference that ends/,
  ],
  [
    "alternatives of alternatives",
    {
      anyOf: many(200, () => ({ $ref: "#/$defs/a" })),
      $defs: { a: { oneOf: many(200, () => false) } },
    },
    /^anyOf\.\d+$/,
    /at most 10000 schemas/,
  ],
  ["a huge list of values", { enum: many(10_001, (index) => index) }, /^$/, /at most 10000 values/],
  ["a huge text", { const: "x".repeat(200_001) }, /^$/, /200000 characters/],
  ["a long pattern", { pattern: "a".repeat(501) }, /^pattern$/, /at most 500 characters/],
  ["large classes", { pattern: "\\p{L}|".repeat(11) }, /^pattern$/, /at most 10 classes/],
  [
    "many patterns",
    { anyOf: many(99, (n) => ({ pattern: `${n}${"a".repeat(99)}` })) },
    /anyOf/,
    /all/,
  ],
  ["many repetitions", { pattern: "(a?){600}" }, /^pattern$/, /at most 1000 states/],
  ["nested repetitions", { pattern: "((a{99}){99}){99}" }, /^pattern$/, /RE2/],
  ["lookahead", { items: { pattern: "(?=a)a" } }, /^items\.pattern$/, /without lookaround/],
  ["a back reference", { patternProperties: { "(a)\\1": {} } }, /^patternProperties\./, /RE2/],
  ["flags of RE2", { pattern: "(?i)a" }, /^pattern$/, /regex of JavaScript/],
];

for (const [name, schema, field, detail] of REFUSED) {
  Deno.test(`refused in time: ${name}`, async () => {
    const problem = await schemaProblem(schema);
    assertMatch(problem?.detail ?? "", detail);
    assertMatch(problem!.field, field);
    // A schema that was queued before this was refused ends the check just as well.
    assertMatch((await outputFailure("1", { schema }))?.message ?? "", /cannot be checked/);
  });
}

/** Answers whose check takes too long, or not, with what is said of them. */
const CHECKED: [name: string, schema: JsonObject, answer: Json, says: RegExp | undefined][] = [
  ["a pattern that backtracks", { pattern: "^(a+)+$" }, `${"a".repeat(5_000)}!`, /a match of/],
  ["a long text", { pattern: "^(a+)+$" }, "a".repeat(100_000), /takes too long/],
  [
    "a long name",
    { propertyNames: { pattern: "^(\\w+\\s?)+$" } },
    { ["a".repeat(99_999)]: 1 },
    /long/,
  ],
  ["unlike items", { uniqueItems: true }, many(3_000, (index) => index), undefined],
  [
    "like items",
    { uniqueItems: true },
    [...many(3_000, (index) => ({ index })), { index: 7 }],
    /differ/,
  ],
  ["lists of lists", { uniqueItems: true }, [[[1, [2]]], [[1, [2]]]], /differ/],
  ["objects in any order", { const: { a: 1, b: [2] } }, { b: [2], a: 1 }, undefined],
  ["1 and true", { uniqueItems: true }, [1, true, "1", [1], { "1": 1 }, null, "null"], undefined],
  ["a large list of values", { items: { enum: many(5_000, (index) => `v${index}`) } }, [
    ...many(2_000, () => "v4999"),
  ], undefined],
  [
    "alternatives for each item",
    {
      items: { anyOf: many(1_500, (index) => ({ const: index })) },
    },
    many(2_000, () => 1_499),
    /takes too long/,
  ],
  ["many required names", { items: { required: many(5_000, (index) => `${index}`) } }, [
    ...many(1_000, () => named(0, () => ["", 0])),
  ], /property "0"/],
  ["a text of a format", { format: "email" }, `a@${"a.".repeat(50_000)}`, /format "email"/],
  ["a date", { format: "date-time" }, "2026-11-23t09:30:00+01:00", undefined],
  ["a deep answer", { items: { $ref: "#" } }, nested(64), undefined],
  ["a wide answer", {}, many(100_002, () => 1), /too many values/],
  ["pairs of UTF-16", { maxLength: 2, minLength: 2 }, "😀é", undefined],
];

for (const [name, schema, answer, says] of CHECKED) {
  Deno.test(`checked within the budget: ${name}`, async () => {
    assertEquals(await schemaProblem(schema), undefined);
    const failure = await outputFailure(JSON.stringify(answer), { schema });
    if (!says) return assertEquals(failure, undefined);
    assertMatch(failure?.message ?? "", says);
    assertEquals(failure?.class, "invalid_output");
  });
}

function nested(depth: number): Json {
  let value: Json = [];
  for (let at = 1; at < depth; at++) value = [value];
  return value;
}

Deno.test("a check pauses every few hundred steps, whatever it checks", async () => {
  const schema = { items: { uniqueItems: true, enum: many(999, (index) => [index]) } };
  const compiled = await compile(schema);
  const work = new Check(compiled).run(many(999, (index) => [index]));
  let pauses = 0;
  while (!work.next().done) pauses++;
  assert(pauses > 10, `${pauses} pauses`);
});
