/** P9 and P10: whatever happened to a chat, its prompt is one that providers take. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { LanguageModelV4Prompt } from "@ai-sdk/provider";
import type { Message, MessageStatus, Part } from "../../src/domain/message.ts";
import { buildPrompt } from "../kit/prompt.ts";
import { casesOf } from "../kit/random.ts";

function message(role: "user" | "assistant", parts: Part[], status: MessageStatus = "completed") {
  return {
    id: "m",
    role,
    parts,
    metadata: {},
    status,
    model: "x",
    finishReason: null,
    usage: null,
    createdAt: 0,
  } satisfies Message;
}

const target = { type: "anthropic" as const, model: "x", system: undefined };

Deno.test("a conversation with tools, reasoning and a failed answer", () => {
  const call = { toolCallId: "c", toolName: "look" };
  const prompt = buildPrompt([
    message("user", [{ type: "text", text: "one" }]),
    message("assistant", [
      { type: "step-start" },
      { type: "reasoning", text: "hm", providerMetadata: { anthropic: { signature: "s" } } },
      { type: "reasoning", text: "foreign", providerMetadata: { openai: { itemId: "i" } } },
      { type: "dynamic-tool", ...call, state: "output-available", input: { a: 1 }, output: [1] },
      { type: "step-start" },
      { type: "text", text: "answer" },
    ]),
    message("user", [{ type: "text", text: "two" }]),
    message("assistant", [{ type: "step-start" }], "failed"),
    message("user", [
      { type: "text", text: "three" },
      { type: "file", mediaType: "image/png", url: "data:image/png;base64,AAAA" },
    ]),
  ], { type: "anthropic", model: "x", system: "Be brief." });
  assertEquals(prompt, [
    { role: "system", content: "Be brief." },
    { role: "user", content: [{ type: "text", text: "one" }] },
    {
      role: "assistant",
      content: [
        { type: "reasoning", text: "hm", providerOptions: { anthropic: { signature: "s" } } },
        { type: "tool-call", ...call, input: { a: 1 } },
      ],
    },
    {
      role: "tool",
      content: [{ type: "tool-result", ...call, output: { type: "json", value: [1] } }],
    },
    { role: "assistant", content: [{ type: "text", text: "answer" }] },
    { role: "user", content: [{ type: "text", text: "two" }] },
    {
      role: "user",
      content: [
        { type: "text", text: "three" },
        { type: "file", mediaType: "image/png", data: { type: "data", data: "AAAA" } },
      ],
    },
  ]);
});

const text = fc.record({ type: fc.constant("text" as const), text: fc.string() });
const toolId = fc.uuid();
const answerPart: fc.Arbitrary<Part> = fc.oneof(
  text,
  fc.constant({ type: "step-start" as const }),
  fc.record({ type: fc.constant("reasoning" as const), text: fc.string() }),
  fc.record({
    type: fc.constant("dynamic-tool" as const),
    toolName: fc.constant("look"),
    toolCallId: toolId,
    state: fc.constantFrom(
      "input-streaming" as const,
      "input-available" as const,
      "output-available" as const,
      "output-error" as const,
    ),
    input: fc.oneof(fc.string(), fc.record({ a: fc.integer() })),
  }),
);
const history = fc.array(
  fc.oneof(
    fc.array(text).map((parts) => message("user", parts)),
    fc.array(answerPart).map((parts) => message("assistant", parts, "interrupted")),
  ),
).map((messages) => [message("user", [{ type: "text", text: "first" }]), ...messages]);

Deno.test("any history gives a prompt that keeps the providers' rules", () => {
  fc.assert(
    fc.property(history, (messages) => {
      const prompt = buildPrompt(messages, target);
      assertEquals(prompt[0]?.role, "user");
      prompt.forEach((entry, index) => {
        assert(entry.content.length > 0, "nobody says nothing");
        const before = prompt[index - 1];
        if (entry.role === "tool") assert(before?.role === "assistant", "a result of nothing");
        assertEquals(toolIds(prompt[index + 1], "tool"), toolIds(entry, "assistant"));
      });
    }),
    { numRuns: casesOf(1_000) },
  );
});

Deno.test("a longer history repeats the shorter one's prompt", () => {
  fc.assert(
    fc.property(history, history, (messages, more) => {
      const answered = [...messages, message("assistant", [{ type: "text", text: "so" }])];
      const short = buildPrompt(answered, target);
      const long = buildPrompt([...answered, ...more], target);
      assertEquals(JSON.stringify(long.slice(0, short.length)), JSON.stringify(short));
    }),
    { numRuns: casesOf(300) },
  );
});

/** The ids of an assistant's calls, or of a tool message's results. */
function toolIds(entry: LanguageModelV4Prompt[number] | undefined, role: "assistant" | "tool") {
  if (entry?.role !== role) return [];
  return entry.content.flatMap((part) =>
    part.type === "tool-call" || part.type === "tool-result" ? [part.toolCallId] : []
  );
}
