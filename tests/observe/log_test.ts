/** Log lines: one line each, without secrets, whatever a client or a provider says. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { createLogger, LOG_FORMATS } from "../../src/observe/log.ts";
import { createMask } from "../../src/observe/mask.ts";
import { FakeClock } from "../kit/clock.ts";

const mask = createMask(["hunter2-the-secret"]);

function logged(format: (typeof LOG_FORMATS)[number], fields: Record<string, string>): string {
  const lines: string[] = [];
  const write = (line: string) => lines.push(line);
  createLogger({ level: "info", format, clock: new FakeClock(), mask, write })
    .log("info", "message", fields);
  assertEquals(lines.length, 1);
  return lines[0]!;
}

const HOSTILE = [
  "a\nb",
  "a\r\nb",
  "a\u001b[31mb",
  "a\u0000b",
  "a\u0085b",
  "a\u2028b\u2029c",
  "a\u202eb",
  "\ud800",
  "a\u{e0001}b",
];

for (const format of LOG_FORMATS) {
  Deno.test(`no field breaks a line or hides in it (${format})`, () => {
    for (const text of HOSTILE) {
      const line = logged(format, { field: text });
      assert(!/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/u.test(line), JSON.stringify(line));
      if (format === "json") assertEquals(JSON.parse(line).field, text);
    }
  });

  Deno.test(`a field of a megabyte is cut (${format})`, () => {
    const line = logged(format, { field: "word ".repeat(200_000), other: "x".repeat(1_000_000) });
    assert(line.length < 10_000, `${line.length} characters`);
    assertStringIncludes(line, "(1000000 characters)");
  });
}

const MASKED: [text: string, masked: string][] = [
  ["key sk-abcdefghij12 used", "key [secret] used"],
  ["Authorization: Bearer abcdef.ghi", "Authorization: Bearer [secret]"],
  ["it is hunter2-the-secret!", "it is [secret]!"],
  ["https://user:pass@host.example/path?key=1#x", "https://host.example/path"],
  ["postgres://user:p@ss@host/db", "postgres://host/db"],
  [
    "'libsql://db.example?authToken=abc' and http://a.example/b",
    "'libsql://db.example' and http://a.example/b",
  ],
  ["a://b/c?d://e:f@g h", "a://b/c h"],
  ["nothing: a@b.example, 1/2?", "nothing: a@b.example, 1/2?"],
];

Deno.test("secrets are hidden, and what URLs say beside their path", () => {
  for (const [text, masked] of MASKED) assertEquals(mask(text), masked);
});

Deno.test("a text is cut before a word that might be half a secret", () => {
  for (
    const secret of [
      "hunter2-the-secret",
      "sk-abcdefghij12",
      "https://user:password@host/",
      "Bearer abcdefghijk",
    ]
  ) {
    for (let before = 3_980; before < 4_000; before++) {
      const text = `${"x ".repeat(before / 2)}${"y".repeat(before % 2)} ${secret} ${
        "z".repeat(99)
      }`;
      const masked = mask(text);
      for (const piece of ["hunter", "abcdef", "passw", "user:"]) {
        assert(!masked.includes(piece), masked.slice(-40));
      }
    }
  }
});
