/** `thinking: true` reaches each provider in its own words, and nothing does without it. */
import { assertEquals } from "@std/assert";
import type { ProviderType } from "../../src/domain/provider.ts";
import { sdkClient } from "../../src/models/client.ts";
import { plainModelCall } from "../kit/model_call.ts";
import { startProvider } from "../kit/provider/provider.ts";
import { modelOf, type Package } from "../kit/provider/sdk.ts";

type Body = Record<string, Record<string, unknown> | undefined>;

const CASES: [ProviderType, Package, string, (body: Body) => unknown, unknown][] = [
  ["openai", "openai", "gpt-5", (body) => body["reasoning"], { effort: "medium", summary: "auto" }],
  ["openai-compatible", "compatible", "any", (body) => body["reasoning_effort"], "medium"],
  ["anthropic", "anthropic", "claude-sonnet-4-5", (body) => body["thinking"]?.["type"], "enabled"],
  [
    "google",
    "google",
    "gemini-2.5-flash",
    (body) =>
      (body["generationConfig"]?.["thinkingConfig"] as Record<string, unknown> | undefined)
        ?.["includeThoughts"],
    true,
  ],
];

for (const [type, kind, modelId, find, expected] of CASES) {
  Deno.test(`thinking with ${type}`, async () => {
    await using provider = await startProvider();
    const model = {
      id: modelId,
      modelId,
      displayName: modelId,
      provider: type,
      type,
      client: () => Promise.resolve(sdkClient(modelOf(kind, provider, modelId))),
    };
    const call = plainModelCall(10_000);
    const prompt = [{ role: "user" as const, content: [{ type: "text" as const, text: "Hi" }] }];
    const signal = new AbortController().signal;
    for (const thinking of [true, false]) {
      await call.stream({ model, prompt, promptCharacters: 2, thinking }, signal, () => {});
      const body = provider.requests.at(-1)!.body as Body;
      assertEquals(find(body), thinking ? expected : undefined, JSON.stringify(body));
    }
  });
}
