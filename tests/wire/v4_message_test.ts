import { assertEquals } from "@std/assert";
import type { Message, Part } from "../../src/domain/message.ts";
import { toV4 } from "../../src/wire/v4_message.ts";

function message(role: "user" | "assistant", parts: Part[]): Message {
  return {
    id: "m1",
    role,
    parts,
    metadata: { annotations: [{ a: 1 }] },
    status: "completed",
    model: null,
    finishReason: null,
    usage: null,
    createdAt: 0,
  };
}

Deno.test("an answer of every kind of part in AI SDK 4's form", () => {
  const call = { toolCallId: "c", toolName: "look" };
  const rendered = toV4(message("assistant", [
    { type: "step-start" },
    { type: "reasoning", text: "hm", providerMetadata: { anthropic: { signature: "s" } } },
    { type: "reasoning", text: "", providerMetadata: { anthropic: { redactedData: "d" } } },
    { type: "dynamic-tool", ...call, state: "output-available", input: { a: 1 }, output: "out" },
    { type: "step-start" },
    { type: "dynamic-tool", ...call, state: "output-error", input: "{", errorText: "broke" },
    { type: "dynamic-tool", ...call, state: "input-available", input: {} },
    { type: "text", text: "one " },
    { type: "text", text: "two" },
    { type: "source-url", sourceId: "s", url: "https://e.example/", title: "E" },
    { type: "source-document", sourceId: "d", mediaType: "a/b", title: "gone" },
    { type: "file", mediaType: "image/png", url: "data:image/png;base64,AAAA" },
  ]));
  const result = { state: "result" as const, ...call };
  const first = { ...result, step: 0, args: { a: 1 }, result: "out" };
  const second = { ...result, step: 1, args: {}, result: { error: "broke" } };
  const third = { state: "call" as const, ...call, step: 1, args: {} };
  assertEquals(rendered, {
    id: "m1",
    role: "assistant",
    createdAt: "1970-01-01T00:00:00.000Z",
    content: "one two",
    parts: [
      { type: "step-start" },
      {
        type: "reasoning",
        reasoning: "hm",
        details: [
          { type: "text", text: "hm", signature: "s" },
          { type: "redacted", data: "d" },
        ],
      },
      { type: "tool-invocation", toolInvocation: first },
      { type: "step-start" },
      { type: "tool-invocation", toolInvocation: second },
      { type: "tool-invocation", toolInvocation: third },
      // The clients make one part of the texts of a step.
      { type: "text", text: "one two" },
      {
        type: "source",
        source: { sourceType: "url", id: "s", url: "https://e.example/", title: "E" },
      },
      { type: "file", mimeType: "image/png", data: "AAAA" },
    ],
    annotations: [{ a: 1 }],
    reasoning: "hm",
    toolInvocations: [first, second, third],
  });
});

Deno.test("a user's files are attachments", () => {
  const rendered = toV4(message("user", [
    { type: "text", text: "look" },
    { type: "file", mediaType: "image/png", url: "https://e.example/a.png", filename: "a.png" },
  ]));
  assertEquals(rendered.parts, [{ type: "text", text: "look" }]);
  assertEquals(rendered.experimental_attachments, [
    { name: "a.png", contentType: "image/png", url: "https://e.example/a.png" },
  ]);
});
