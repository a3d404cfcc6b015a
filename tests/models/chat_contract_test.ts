/** The adapter for chat completions gives what the AI SDK's own gives, on streams that the SDK takes. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import type { LanguageModelV4StreamPart } from "@ai-sdk/provider";
import { chatClient } from "../../src/models/chat/client.ts";
import { ShortTurns } from "../../src/domain/turns.ts";
import { OpenRequests } from "../../src/models/open_requests.ts";
import { ProviderHttp } from "../../src/models/provider_http.ts";
import { startProvider, type Step } from "../kit/provider/provider.ts";
import { callOf, modelOf, streamed } from "../kit/provider/sdk.ts";
import { casesOf } from "../kit/random.ts";

const text = fc.string({ unit: "binary", minLength: 1, maxLength: 12 })
  .map((value) => value.toWellFormed());
const content: fc.Arbitrary<Step> = fc.oneof(
  { weight: 6, arbitrary: text.map((text) => ({ text })) },
  { weight: 3, arbitrary: text.map((reasoning) => ({ reasoning })) },
  {
    weight: 1,
    arbitrary: fc.integer({ min: 1, max: 3 }).map((chunks) => ({
      toolCall: { id: `call_${chunks}`, name: "look", args: { a: [chunks, "x\ny"] }, chunks },
    })),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      ": a comment\n\n",
      "\n",
      'data: {"choices":[]}\n\n',
      'data:{"choices":[{"delta":{"content":"no space"}}]}\n\n',
      'data: {"choices":[{"delta":{"content":[{"type":"text","text":"a list"}]}}]}\n\n',
      'data: {"choices":[{"delta":{"content":"a","reasoning":"b"}}]}\n\n',
      'data: {"choices":[{"delta":{"content":"bare carriage"}}]}\r\n\r\n',
      'event: message\ndata: {"choices":[{"delta":{"content":"named"}}]}\n\n',
    ).map((raw) => ({ raw })),
  },
);
const ending = fc.constantFrom("stop" as const, "length" as const, "content-filter" as const)
  .map((finish) => [{ finish, usage: { input: 7, output: 5, cached: 2, reasoning: 1 } }]);
const script = fc.record({
  steps: fc.tuple(fc.array(content, { maxLength: 12 }), ending).map(([steps, end]) => [
    // The SDK makes up an id where two calls have the same.
    ...steps.map((step, index) =>
      "toolCall" in step ? { toolCall: { ...step.toolCall, id: `call_${index}` } } : step
    ),
    ...end,
  ]),
  chunksPerWrite: fc.integer({ min: 1, max: 5 }),
});

Deno.test("a clean stream gives the same content, calls, end and tokens as by the SDK", async () => {
  await using provider = await startProvider();
  const config = { apiKey: "key", baseUrl: provider.base.openai };
  const lines = { turns: new ShortTurns(), requests: new OpenRequests() };
  const ours = chatClient(config, "scripted", new ProviderHttp("openai-compatible", lines));
  const theirs = modelOf("compatible", provider);
  await fc.assert(
    fc.asyncProperty(script, async (script) => {
      provider.script(script);
      const parts: LanguageModelV4StreamPart[] = [];
      await ours.stream(callOf("Hi"), AbortSignal.timeout(5_000), (part) => void parts.push(part));
      const expected = await streamed(theirs, callOf("Hi"));
      assertEquals(told(parts), told(expected.parts));
    }),
    { numRuns: casesOf(500) },
  );
});

/** What a person is told: texts joined, calls by their order, and the end. */
function told(parts: LanguageModelV4StreamPart[]) {
  const said: [kind: string, text: string][] = [];
  const calls: unknown[] = [];
  const ends: unknown[] = [];
  for (const part of parts) {
    if (part.type === "text-delta" || part.type === "reasoning-delta") {
      const last = said.at(-1);
      if (last?.[0] === part.type) last[1] += part.delta;
      else said.push([part.type, part.delta]);
    }
    if (part.type === "tool-call") calls.push([part.toolCallId, part.toolName, part.input]);
    if (part.type === "finish") {
      const { raw: _, ...usage } = part.usage;
      ends.push([part.finishReason.raw, usage]);
    }
    if (part.type === "error") ends.push(part.type);
  }
  return { said, calls, ends };
}
