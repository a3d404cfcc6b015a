/** The demo model's count of tokens is the one in the README. */
import { assertMatch } from "@std/assert";
import { demoScript } from "../../src/models/demo_script.ts";

Deno.test("the demo model counts as the README shows", async () => {
  const readme = await Deno.readTextFile(new URL("../../README.md", import.meta.url));
  const text = readme.match(/"content": "(What is .*?)"/)![1]!;
  const finish = demoScript([{ role: "user", content: [{ type: "text", text }] }], false, new Set())
    .at(-1)!;
  const { inputTokens, outputTokens } = finish.type === "finish" ? finish.usage : {};
  const shown = `"promptTokens":${inputTokens?.total},"completionTokens":${outputTokens?.total}}`;
  assertMatch(readme, new RegExp(`^d:.*${shown}`, "m"));
});
