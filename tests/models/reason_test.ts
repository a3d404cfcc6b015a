/** The words of an error reach the person, whatever its form. */
import { assertEquals } from "@std/assert";
import { reasonIn } from "../../src/models/reason.ts";

const WORDS = "This model takes at most 4096 tokens.";

const BODIES: Record<string, string> = {
  OpenAI: JSON.stringify({ error: { message: WORDS, type: "invalid_request_error", code: null } }),
  Anthropic: JSON.stringify({ type: "error", error: { type: "x", message: WORDS } }),
  "Google, in a list": JSON.stringify([{ error: { code: 400, message: WORDS, status: "X" } }]),
  "FastAPI": JSON.stringify({ detail: WORDS }),
  "FastAPI's validation": JSON.stringify({ detail: [{ loc: ["body"], msg: WORDS, type: "x" }] }),
  "an error that is a text": JSON.stringify({ code: "invalid", error: WORDS }),
  "a message": JSON.stringify({ error_code: "BAD_REQUEST", message: WORDS }),
  "OAuth": JSON.stringify({ error_description: WORDS }),
  "a list of errors": JSON.stringify({ errors: [{ message: WORDS }] }),
  "a problem (RFC 9457)": JSON.stringify({ type: "about:blank", title: WORDS, status: 400 }),
  "a text as JSON": JSON.stringify(WORDS),
  "a text": `${WORDS}\n`,
  "a page": `<html><head><title>${WORDS}</title></head><body><h1>nginx</h1></body></html>`,
  "a page without a title": `<!doctype html><body><h1>${WORDS}</h1></body>`,
  "text of several lines": WORDS.replace(" takes", "\r\n\ttakes\u0000"),
};

for (const [form, body] of Object.entries(BODIES)) {
  Deno.test(`the reason in ${form}`, () => assertEquals(reasonIn(body), WORDS));
}

Deno.test("a gateway's reason has that of the service behind it", () => {
  const raw = JSON.stringify({ error: { message: WORDS } });
  const body = JSON.stringify({ error: { message: "Provider returned error", metadata: { raw } } });
  assertEquals(reasonIn(body), `Provider returned error: ${WORDS}`);
});

Deno.test("what says nothing gives nothing, and no reason is long", () => {
  for (const body of ["", "{}", "[]", "null", "12", '{"error":{}}', " \n"]) {
    assertEquals(reasonIn(body) === "12" ? "" : reasonIn(body), "");
  }
  assertEquals(reasonIn(JSON.stringify({ message: "x".repeat(100_000) })).length, 500);
  assertEquals(reasonIn(`<${"<a ".repeat(300_000)}`).length <= 500, true);
});
