/** JSON from outside: counted before it is parsed, and never walked by recursion. */
import { assertEquals, assertRejects } from "@std/assert";
import { deepField, JsonExcess, parseJson } from "../../src/domain/json.ts";

/** Longer than what is scanned at once. */
const LONG = 300 * 1024;

Deno.test("what is parsed is what JSON.parse makes of it, wherever a piece of it ends", async () => {
  for (let shift = 0; shift < 8; shift++) {
    const value = [" ".repeat(shift), '\\"é漢😀\\'.repeat(LONG / 12), { a: "[,:{" }];
    const text = JSON.stringify(value);
    assertEquals(await parseJson(text), value);
    assertEquals(await parseJson(new TextEncoder().encode(text)), value);
  }
});

Deno.test("text that is not JSON or not UTF-8 fails as ever", async () => {
  for (const text of ["", "{", '"', '"\\', "[1,]", "nul", "{} {}"]) {
    await assertRejects(() => parseJson(text), SyntaxError);
  }
  for (const bytes of [[0xff], [0x22, 0xc3], [0x22, 0xed, 0xa0, 0x80, 0x22]]) {
    await assertRejects(() => parseJson(new Uint8Array(bytes)), TypeError);
  }
});

Deno.test("too many values are refused before they are parsed, texts are not", async () => {
  const wide = ["1,", "[],", "{},", '"a",', '{"a":1},', "[[1],[2]],"].map((item) =>
    `[${item.repeat(110_000)}1]`
  );
  const names = `{${Array.from({ length: 50_000 }, (_, n) => `"${n}":1`).join()}}`;
  const escapes = `"${"\\n".repeat(1_100_000)}"`;
  for (const text of [...wide, names, escapes]) {
    await assertRejects(() => parseJson(text), JsonExcess);
  }
  assertEquals(
    await parseJson(`[${"1,".repeat(90_000)}1]`).then((value) => Array.isArray(value)),
    true,
  );
  assertEquals(
    await parseJson(JSON.stringify(`${"[{,:}]".repeat(99_999)}`)),
    "[{,:}]".repeat(99_999),
  );
});

Deno.test("the field that is too deep is named", () => {
  const deep = (depth: number): unknown => depth === 0 ? 1 : { a: [deep(depth - 1)] };
  assertEquals(deepField(deep(31)), undefined);
  assertEquals(
    deepField({ x: 1, message: { parts: [{}, { input: deep(40) }] } }),
    "message.parts.1.input.a.0.a.0",
  );
  let far: unknown = 1;
  for (let at = 0; at < 100_000; at++) far = [far];
  assertEquals(deepField(far), "0.0.0.0.0.0.0.0");
  assertEquals([deepField(1), deepField(null), deepField({})], [undefined, undefined, undefined]);
});
