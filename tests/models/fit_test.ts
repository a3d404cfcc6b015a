/** The last pass: whatever a history holds, its target's published rules hold for the prompt. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import type { LanguageModelV4Message, LanguageModelV4Prompt } from "@ai-sdk/provider";
import type { ProviderType } from "../../src/domain/provider.ts";
import { fitPrompt, takesFile } from "../../src/models/fit.ts";
import { casesOf } from "../kit/random.ts";

const TARGETS: ProviderType[] = ["anthropic", "openai", "google", "openai-compatible"];

const text = fc.oneof(
  fc.constantFrom("", " ", "\n\t\u00a0", "Hi", "half \ud83d pair", "naïve 🌍"),
  fc.string({ unit: "binary", maxLength: 8 }),
);
const id = fc.oneof(
  fc.constantFrom("call_1", "functions.look:0", "a".repeat(90), "", "ü", "call_1"),
  fc.string({ maxLength: 6 }),
);
const name = fc.constantFrom("look", "a.b", "weather in Oslo", "1st", "x".repeat(80), "");
const file = fc.constantFrom(
  "image/png",
  "image/tiff",
  "application/pdf",
  "application/zip",
  "text/csv",
  "audio/wav",
  "audio/ogg",
  "video/mp4",
).map((mediaType) => ({
  type: "file" as const,
  mediaType,
  data: { type: "data" as const, data: "AAAA" },
}));
const textPart = text.map((text) => ({ type: "text" as const, text }));
const message: fc.Arbitrary<LanguageModelV4Message> = fc.oneof(
  text.map((content) => ({ role: "system" as const, content })),
  fc.array(fc.oneof(textPart, file), { maxLength: 3 })
    .map((content) => ({ role: "user" as const, content })),
  fc.array(
    fc.oneof(
      textPart,
      text.map((text) => ({ type: "reasoning" as const, text })),
      fc.record({
        type: fc.constant("tool-call" as const),
        toolCallId: id,
        toolName: name,
        input: fc.constantFrom({}, { a: 1 }),
      }),
    ),
    { maxLength: 4 },
  ).map((content) => ({ role: "assistant" as const, content })),
  fc.array(
    fc.record({
      type: fc.constant("tool-result" as const),
      toolCallId: id,
      toolName: name,
      output: text.map((value) => ({ type: "text" as const, value })),
    }),
    { maxLength: 3 },
  ).map((content) => ({ role: "tool" as const, content })),
);
const anyPrompt = fc.array(message, { maxLength: 12 });

for (const type of TARGETS) {
  Deno.test(`any history becomes a prompt that ${type} takes`, () => {
    fc.assert(
      fc.property(anyPrompt, (prompt) => {
        const before = JSON.stringify(prompt);
        const fitted = fitPrompt(prompt, type);
        checkTurns(fitted);
        checkTexts(fitted);
        checkCalls(fitted, type);
        assertEquals(JSON.stringify(prompt), before, "the prompt is not changed in place");
        assertEquals(fitPrompt(fitted, type), fitted, "what fits is kept");
      }),
      { numRuns: casesOf(5_000) },
    );
  });
}

/** Anthropic and Google: users begin, speakers alternate. */
function checkTurns(prompt: LanguageModelV4Prompt): void {
  const roles = prompt.filter(({ role }) => role !== "system").map(({ role }) => role);
  assertEquals(roles[0], "user");
  roles.forEach((role, at) => {
    if (at > 0) assert(role !== roles[at - 1], `${role} twice`);
    if (role === "tool") assertEquals(roles[at - 1], "assistant");
  });
}

/** Anthropic: "text content blocks must contain non-whitespace text"; JSON parsers: no half pairs. */
function checkTexts(prompt: LanguageModelV4Prompt): void {
  for (const { content } of prompt) {
    assert(content.length > 0);
    const texts = typeof content === "string"
      ? [content]
      : content.flatMap((part) => part.type === "text" ? [part.text] : []);
    for (const text of texts) assert(text.trim() !== "" && text.isWellFormed(), text);
  }
}

const NAMES: Partial<Record<ProviderType, RegExp>> = {
  google: /^[a-zA-Z_][a-zA-Z0-9_.-]{0,63}$/,
};

/** Each call has one result right behind it; ids and names are of the published patterns. */
function checkCalls(prompt: LanguageModelV4Prompt, type: ProviderType): void {
  const all = new Set<string>();
  prompt.forEach((message, at) => {
    if (message.role === "user") {
      for (const part of message.content) {
        if (part.type === "file") assert(takesFile(type, part.mediaType), part.mediaType);
      }
    }
    if (message.role !== "assistant") return;
    const calls = message.content.filter((part) => part.type === "tool-call");
    const next = prompt[at + 1];
    const results = next?.role === "tool"
      ? next.content.filter((part) => part.type === "tool-result")
      : [];
    const named = (parts: { toolCallId: string; toolName: string }[]) =>
      parts.map(({ toolCallId, toolName }) => `${toolCallId} ${toolName}`).toSorted();
    assertEquals(named(calls), named(results));
    assertEquals(new Set(calls.map(({ toolCallId }) => toolCallId)).size, calls.length);
    for (const { toolCallId, toolName } of calls) {
      assert(/^[a-zA-Z0-9_-]{1,64}$/.test(toolCallId), toolCallId);
      assert((NAMES[type] ?? /^[a-zA-Z0-9_-]{1,64}$/).test(toolName), toolName);
      if (type === "anthropic" || type === "openai") assert(!all.has(toolCallId), toolCallId);
      all.add(toolCallId);
    }
  });
}
