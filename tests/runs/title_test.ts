import { assert, assertEquals, assertLessOrEqual, assertMatch } from "@std/assert";
import fc from "fast-check";
import { cleanTitle, firstWords, MADE_TITLE_LENGTH, titlePrompt } from "../../src/runs/title.ts";
import { casesOf } from "../kit/random.ts";

Deno.test("a title out of what models say", async (t) => {
  const cases: [string, string][] = [
    ["Plain words", "Plain words"],
    ['"Quoted: with a colon"', "Quoted with a colon"],
    ["Title: Fixing the build", "Fixing the build"],
    ["**Bold** _and_ `code` 🎉", "Bold and code"],
    ["<think>Let me see\nhm</think>\n\nThe answer", "The answer"],
    ["<think>never ends", ""],
    ["Okay, a title.\n</think>\n\nThe answer", "The answer"],
    ['{"title": "In JSON"}', "In JSON"],
    ['```json\n{"title": "In a \\"fence\\""}\n```', "In a fence"],
    ['{"title": "Half', "title Half"],
    ["```\nIn a fence\n```", "In a fence"],
    ["\n\n  Second line counts \nnot this", "Second line counts"],
    ["Don't panic, it's ‘fine’", "Don't panic, it's fine"],
    ["修复构建错误", "修复构建错误"],
    [
      "Ein sehr langer Titel, der bei vierzig Zeichen endet",
      "Ein sehr langer Titel, der bei vierzig",
    ],
    ["🎉🎉", ""],
    ["", ""],
  ];
  for (const [said, title] of cases) {
    await t.step(JSON.stringify(said), () => assertEquals(cleanTitle(said), title));
  }
});

Deno.test("any text gives a title within bounds", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 300 }), (said) => {
      for (const title of [cleanTitle(said), firstWords(said)]) {
        assertLessOrEqual(title.length, MADE_TITLE_LENGTH);
        assert(title.isWellFormed());
        assertMatch(title, /^[\p{L}\p{M}\p{N} '.,?!()&+/-]*$/u);
        assertEquals(title, title.trim());
      }
    }),
    { numRuns: casesOf(2_000) },
  );
});

Deno.test("the title model reads 2,000 characters", () => {
  const [, user] = titlePrompt("x".repeat(10_000));
  assert(user?.role === "user");
  assertEquals(user.content, [{ type: "text", text: "x".repeat(2_000) }]);
});
