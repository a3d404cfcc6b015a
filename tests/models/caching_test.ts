/** Anthropic caches only what it is told to; a gateway that does not know of that is asked without. */
import { assertEquals } from "@std/assert";
import { partsOf, textOf } from "../kit/data_stream.ts";
import { MODELS, startScripted } from "../kit/scripted.ts";

const REFUSAL = "cache_control: Extra inputs are not permitted";

Deno.test("a gateway that refuses to be told of caching is asked again without", async () => {
  await using scripted = await startScripted({
    script: ({ body }) =>
      "cache_control" in body
        ? { status: 400, body: JSON.stringify({ error: { message: REFUSAL } }) }
        : { steps: [{ text: "Hello" }, { finish: "stop" }] },
  });
  const chat = await scripted.chat();
  const response = await scripted.send(chat, "Hi", { model: MODELS.anthropic });
  assertEquals(textOf(partsOf(await response.text())), "Hello");
  assertEquals(scripted.provider.requests.length, 2);
});
