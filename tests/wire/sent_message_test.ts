import { assert, assertEquals, assertThrows } from "@std/assert";
import { AppError } from "../../src/domain/errors.ts";
import type { Message, Part } from "../../src/domain/message.ts";
import { buildPrompt } from "../kit/prompt.ts";
import { decodeMessage } from "../../src/wire/sent_message.ts";
import { toUi } from "../../src/wire/ui_message.ts";
import { toV4 } from "../../src/wire/v4_message.ts";

const call = { type: "tool-where", toolCallId: "c", input: {} };
const nested = { toolCallId: "c", toolName: "where", args: {} };

/** Parts that no client could show, with the field that is to blame. */
const REFUSED: [part: object, field: string][] = [
  [{ ...call, state: "done" }, "state"],
  [{ ...call, state: "output-error" }, "errorText"],
  [{ ...call, state: "approval-requested" }, "approval"],
  [{ ...call, state: "approval-responded", approval: { id: "a" } }, "approval.approved"],
  [{ ...call, state: "output-available", output: 1, preliminary: "yes" }, "preliminary"],
  [
    { ...call, state: "output-available", output: 1, resultProviderMetadata: { a: 1 } },
    "resultProviderMetadata.a",
  ],
  [{ ...call, state: "input-available", callProviderMetadata: [] }, "callProviderMetadata"],
  [{ ...call, type: "dynamic-tool", state: "input-available" }, "toolName"],
  [
    { type: "tool-invocation", toolInvocation: { ...nested, state: "done" } },
    "toolInvocation.state",
  ],
  [
    { type: "tool-invocation", toolInvocation: { ...nested, state: "call", title: 1 } },
    "title",
  ],
  [{ type: "reasoning", reasoning: "hm", state: 1 }, "state"],
  [{ type: "source", source: { id: "s", url: "https://e.example/", title: 1 } }, "source.title"],
  [
    { type: "source-url", sourceId: "s", url: "https://e.example/", providerMetadata: { a: 1 } },
    "providerMetadata.a",
  ],
  [
    {
      type: "file",
      mediaType: "image/png",
      url: "data:image/png;base64,AAAA",
      providerMetadata: null,
    },
    "providerMetadata",
  ],
  [{ type: "file", url: "data:image/png;base64,AAAA" }, "mimeType"],
  [{ type: "file", mediaType: "image/png", url: "file:///etc/passwd" }, "url"],
];

for (const [part, field] of REFUSED) {
  Deno.test(`a part is refused for its ${field}: ${JSON.stringify(part)}`, () => {
    const error = assertThrows(() => decodeAnswer([part])) as AppError;
    assert(error instanceof AppError);
    assertEquals(error.code, "bad_request");
    assertEquals(error.validations![0]!.field, `message.parts.0.${field}`);
  });
}

Deno.test("a field is refused whose length cannot be compared", () => {
  for (const length of [{ toString: 1, valueOf: 1 }, [{ toString: true }]]) {
    const message = { id: { length }, role: "user", content: "Hello", metadata: { length: 1 } };
    const error = assertThrows(() =>
      decodeMessage(message, { chars: 100, files: 20, refusedUrls: "local" })
    ) as AppError;
    assertEquals(error.validations?.map(({ field }) => field), ["message.id"]);
  }
});

/** States of calls that Parley itself never makes, and what each form shows of them. */
const APPROVALS: [part: Record<string, unknown>, v4: object, said: object][] = [
  [
    { state: "approval-requested", approval: { id: "a" } },
    { state: "call" },
    { type: "error-text", value: "The tool was not run." },
  ],
  [
    { state: "approval-responded", approval: { id: "a", approved: true } },
    { state: "call" },
    { type: "error-text", value: "The tool was not run." },
  ],
  [
    { state: "output-denied", approval: { id: "a", approved: false, reason: "no" } },
    { state: "result", result: { error: "no" } },
    { type: "execution-denied", reason: "no" },
  ],
];

for (const [state, v4, said] of APPROVALS) {
  Deno.test(`a call that is ${state["state"]} can be shown and asked of a model`, () => {
    const message = answer(decodeAnswer([{ ...call, ...state }]));
    assertEquals(toUi(message).parts, [{ ...call, ...state }] as never);
    assertEquals(toV4(message).toolInvocations, [{ ...nested, step: 0, ...v4 }] as never);
    const results = buildPrompt([message], { type: "anthropic", model: "x", system: undefined }).at(
      -1,
    )!;
    assertEquals(results.content, [
      { type: "tool-result", toolCallId: "c", toolName: "where", output: said },
    ] as never);
  });
}

Deno.test("a tool of the name `invocation` is told from a call in AI SDK 4's form", () => {
  const later = { ...call, type: "tool-invocation", state: "output-available", output: 1 };
  const four = { type: "tool-invocation", toolInvocation: { ...nested, state: "call" } };
  assertEquals(decodeAnswer([later, four]).map(({ type }) => type), [
    "tool-invocation",
    "dynamic-tool",
  ]);
});

Deno.test("an unknown key is not taken for a word of AI SDK 4", () => {
  const file = { type: "file", mediaType: "image/png", url: "https://e.example/a.png" };
  const { parts } = decodeMessage(
    { role: "user", parts: [{ ...file, name: {}, contentType: 1, note: 2 }] },
    { chars: 100, files: 20, refusedUrls: "local" },
  );
  assertEquals(toV4({ ...answer(parts), role: "user" }).experimental_attachments, [
    { contentType: "image/png", url: "https://e.example/a.png", note: 2 } as never,
  ]);
});

function decodeAnswer(parts: object[]): Part[] {
  return decodeMessage({ id: "a", role: "assistant", parts }, {
    chars: 100,
    files: 20,
    refusedUrls: "local",
  })
    .parts;
}

function answer(parts: Part[]): Message {
  return {
    id: "a",
    role: "assistant",
    parts,
    metadata: {},
    status: "completed",
    model: null,
    finishReason: null,
    usage: null,
    createdAt: 0,
  };
}
