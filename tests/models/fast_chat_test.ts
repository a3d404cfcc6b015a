/** The contract of the shorter way: the same parts as the SDK's own, whatever a provider sends. */
import { assertEquals } from "@std/assert";
import fc from "fast-check";
import type { LanguageModelV4StreamPart } from "@ai-sdk/provider";
import { compatible } from "../../src/models/packages/compatible.ts";
import { type Script, startProvider, type Step } from "../kit/provider/provider.ts";
import { callOf, modelOf, streamed } from "../kit/provider/sdk.ts";

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
      "data: {nonsense}\n\n",
      "data: null\n\n",
      'data: {"choices":[]}\n\n',
      'data:{"choices":[{"delta":{"content":"no space"}}]}\n\n',
      'data: {"choices":[{"delta":{"content":[{"type":"text","text":"a list"}]}}]}\n\n',
      'data: {"choices":[{"delta":{"content":"a","reasoning":"b"}}]}\n\n',
      'data: {"choices":[{"delta":{"content":"bare carriage"}}]}\r\n\r\n',
      'event: message\ndata: {"choices":[{"delta":{"content":"named"}}]}\n\n',
    ).map((raw) => ({ raw })),
  },
);
const ending: fc.Arbitrary<Step[]> = fc.oneof<fc.Arbitrary<Step[]>[]>(
  fc.constantFrom(
    "stop" as const,
    "length" as const,
    "tool-calls" as const,
    "content-filter" as const,
  )
    .map((finish) => [{ finish, usage: { input: 7, output: 5, cached: 2, reasoning: 1 } }]),
  fc.constant([{ end: true as const }]),
  fc.constant([{ error: { message: "overloaded", status: 503 } }]),
);
const script: fc.Arbitrary<Script> = fc.record({
  steps: fc.tuple(fc.array(content, { maxLength: 12 }), ending).map(([steps, end]) => [
    // The SDK makes up an id where two calls have the same.
    ...steps.map((step, index) =>
      "toolCall" in step ? { toolCall: { ...step.toolCall, id: `call_${index}` } } : step
    ),
    ...end,
  ]),
  chunksPerWrite: fc.integer({ min: 1, max: 5 }),
});

Deno.test("a stream gives the same parts as by the SDK alone", async () => {
  await using provider = await startProvider();
  const baseUrl = provider.base.openai;
  const ours = compatible({ name: "compatible", apiKey: "key", baseUrl })("scripted");
  const theirs = modelOf("compatible", provider);
  await fc.assert(
    fc.asyncProperty(script, async (script) => {
      provider.script(script);
      const [actual, expected] = [
        await streamed(ours, callOf("Hi")),
        await streamed(theirs, callOf("Hi")),
      ];
      assertEquals(actual.parts.filter(isContent), expected.parts.filter(isContent));
      assertEquals(actual.error === undefined, expected.error === undefined);
    }),
    { numRuns: 500 },
  );
});

/** All but what only tells of the response: its id and time. */
function isContent({ type }: LanguageModelV4StreamPart): boolean {
  return type !== "stream-start" && type !== "response-metadata";
}
