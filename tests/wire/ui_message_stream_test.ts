import { assert, assertEquals } from "@std/assert";
import type { RunEvent } from "../../src/domain/event.ts";
import { uiMessageStream } from "../../src/wire/ui_message_stream.ts";

const usage = {
  inputTokens: 3,
  outputTokens: 4,
  cachedTokens: 1,
  reasoningTokens: 1,
  estimated: false,
};
const failure = {
  class: "provider_cut",
  message: 'It "broke".',
  retryable: true,
  retryAfterMs: 9,
} as const;
const call = { toolCallId: "c1", toolName: "look" };
const executed = { providerExecuted: true } as const;
const declared = { declared: true } as const;
const providerMetadata = { anthropic: { signature: "s" } };
const METADATA = '{"totalUsage":{"inputTokens":3,"outputTokens":4,"totalTokens":7},"model":"x"}';

/** The metadata of an answer that is not complete. */
function marked(status: string, reason: string, message: string): string {
  const run = JSON.stringify({ status, reason, message, retryable: true });
  return METADATA.replace(/}$/, `,"run":${run}}`);
}

/** What goes ahead of an abort and an error, which have no place for metadata, without a number. */
const AHEAD: Record<string, string> = {
  finish: marked("stopped", "stopped", "The answer was stopped."),
  error: marked("failed", failure.class, failure.message),
};

/** Every kind of event with the data of the frame that it becomes. */
const GOLDEN: [RunEvent, string][] = [
  [{ type: "start", messageId: "m1", model: "x" }, '{"type":"start","messageId":"m1"}'],
  [{ type: "step-start", messageId: "m1" }, '{"type":"start-step"}'],

  [{ type: "text-start", id: "t" }, '{"type":"text-start","id":"t"}'],
  [
    { type: "text-delta", id: 't"', text: 'a\n\n"b"\u2028\ud83d' },
    '{"type":"text-delta","id":"t\\"","delta":"a\\n\\n\\"b\\"\u2028\\ud83d"}',
  ],
  [{ type: "text-end", id: "t" }, '{"type":"text-end","id":"t"}'],
  [
    { type: "text-end", id: "t", providerMetadata },
    '{"type":"text-end","id":"t","providerMetadata":{"anthropic":{"signature":"s"}}}',
  ],
  [{ type: "reasoning-start", id: "r" }, '{"type":"reasoning-start","id":"r"}'],
  [
    { type: "reasoning-start", id: "r", providerMetadata: { anthropic: { redactedData: "d" } } },
    '{"type":"reasoning-start","id":"r","providerMetadata":{"anthropic":{"redactedData":"d"}}}',
  ],
  [
    { type: "reasoning-delta", id: "r", text: "hm" },
    '{"type":"reasoning-delta","id":"r","delta":"hm"}',
  ],
  [
    { type: "reasoning-end", id: "r", providerMetadata },
    '{"type":"reasoning-end","id":"r","providerMetadata":{"anthropic":{"signature":"s"}}}',
  ],

  [
    { type: "tool-input-start", ...call },
    '{"type":"tool-input-start","toolCallId":"c1","toolName":"look","dynamic":true}',
  ],
  [
    { type: "tool-input-start", ...call, ...declared },
    '{"type":"tool-input-start","toolCallId":"c1","toolName":"look"}',
  ],
  [
    { type: "tool-input-start", ...call, ...executed },
    '{"type":"tool-input-start","toolCallId":"c1","toolName":"look","providerExecuted":true,"dynamic":true}',
  ],
  [
    { type: "tool-input-delta", toolCallId: "c1", text: '{"a' },
    '{"type":"tool-input-delta","toolCallId":"c1","inputTextDelta":"{\\"a"}',
  ],
  [
    { type: "tool-input", ...call, input: { a: 1 } },
    '{"type":"tool-input-available","toolCallId":"c1","toolName":"look","input":{"a":1},"dynamic":true}',
  ],
  [
    { type: "tool-input", ...call, input: [1], ...declared },
    '{"type":"tool-input-available","toolCallId":"c1","toolName":"look","input":[1]}',
  ],
  [
    { type: "tool-input", ...call, input: null, ...executed, providerMetadata },
    '{"type":"tool-input-available","toolCallId":"c1","toolName":"look","input":null,"providerMetadata":{"anthropic":{"signature":"s"}},"providerExecuted":true,"dynamic":true}',
  ],
  [
    { type: "tool-input-error", ...call, input: "{", errorText: "no JSON" },
    '{"type":"tool-input-error","toolCallId":"c1","toolName":"look","input":"{","errorText":"no JSON","dynamic":true}',
  ],
  [
    { type: "tool-input-error", ...call, input: "{", errorText: "no JSON", ...declared },
    '{"type":"tool-input-error","toolCallId":"c1","toolName":"look","input":"{","errorText":"no JSON"}',
  ],
  [
    { type: "tool-output", toolCallId: "c1", output: null },
    '{"type":"tool-output-available","toolCallId":"c1","output":null,"dynamic":true}',
  ],
  [
    { type: "tool-output", toolCallId: "c1", output: { a: [] }, ...executed },
    '{"type":"tool-output-available","toolCallId":"c1","output":{"a":[]},"providerExecuted":true,"dynamic":true}',
  ],
  [
    { type: "tool-output-error", toolCallId: "c1", errorText: "broke" },
    '{"type":"tool-output-error","toolCallId":"c1","errorText":"broke","dynamic":true}',
  ],
  [
    { type: "tool-output-error", toolCallId: "c1", errorText: "broke", ...executed },
    '{"type":"tool-output-error","toolCallId":"c1","errorText":"broke","providerExecuted":true,"dynamic":true}',
  ],

  [
    { type: "source-url", sourceId: "s", url: "https://e.example/", title: "E" },
    '{"type":"source-url","sourceId":"s","url":"https://e.example/","title":"E"}',
  ],
  [
    { type: "source-document", sourceId: "s", mediaType: "a/b", title: "t", filename: "f" },
    '{"type":"source-document","sourceId":"s","mediaType":"a/b","title":"t","filename":"f"}',
  ],
  [
    { type: "file", mediaType: "image/png", url: "data:image/png;base64,AAAA" },
    '{"type":"file","mediaType":"image/png","url":"data:image/png;base64,AAAA"}',
  ],
  [
    { type: "file", mediaType: "image/png", url: "https://e.example/a.png", providerMetadata },
    '{"type":"file","mediaType":"image/png","url":"https://e.example/a.png","providerMetadata":{"anthropic":{"signature":"s"}}}',
  ],

  [{ type: "step-finish", finishReason: "tool-calls", usage }, '{"type":"finish-step"}'],
  [
    { type: "finish", state: "completed", finishReason: "stop", usage, model: "x" },
    `{"type":"finish","finishReason":"stop","messageMetadata":${METADATA}}`,
  ],
  [
    { type: "tool-progress", toolCallId: "c", output: "half" },
    '{"type":"tool-output-available","toolCallId":"c","output":"half","preliminary":true,"dynamic":true}',
  ],
  [
    { type: "tool-approval-request", toolCallId: "c", approvalId: "a" },
    '{"type":"tool-approval-request","approvalId":"a","toolCallId":"c"}',
  ],
  [
    { type: "tool-output-denied", toolCallId: "c", reason: "no" },
    '{"type":"tool-output-denied","toolCallId":"c"}',
  ],
  [
    { type: "finish", state: "interrupted", finishReason: "other", usage, model: "x" },
    `{"type":"finish","finishReason":"other","messageMetadata":${
      marked("interrupted", "interrupted", "Parley ended while it made this answer.")
    }}`,
  ],
  [
    { type: "finish", state: "stopped", finishReason: "other", usage, model: "x" },
    `{"type":"abort"}`,
  ],
  [{ type: "error", failure, usage }, '{"type":"error","errorText":"It \\"broke\\"."}'],
  [
    { type: "error", failure, usage, model: "x" },
    '{"type":"error","errorText":"It \\"broke\\"."}',
  ],
];

/** Each kind, so that a new one cannot be left out. */
const KINDS: Record<RunEvent["type"], true> = {
  "start": true,
  "step-start": true,
  "text-start": true,
  "text-delta": true,
  "text-end": true,
  "reasoning-start": true,
  "reasoning-delta": true,
  "reasoning-end": true,
  "tool-input-start": true,
  "tool-input-delta": true,
  "tool-input": true,
  "tool-input-error": true,
  "tool-output": true,
  "tool-output-error": true,
  "tool-progress": true,
  "tool-approval-request": true,
  "tool-output-denied": true,
  "source-url": true,
  "source-document": true,
  "file": true,
  "step-finish": true,
  "finish": true,
  "error": true,
};

Deno.test("every kind of event in the UI message stream", async (t) => {
  for (const [event, data] of GOLDEN) {
    await t.step(`${event.type} ${data}`, () => {
      const bare = event.type === "finish" ? event.state === "stopped" : event.type === "error";
      const ahead = bare && "model" in event
        ? `data: {"type":"message-metadata","messageMetadata":${AHEAD[event.type]}}\n\n`
        : "";
      const frames = `${ahead}id: run:12\ndata: ${data}\n\n`;
      assertEquals(uiMessageStream.encode({ seq: 12, event }, "run"), frames);
    });
  }
  assertEquals(new Set(GOLDEN.map(([{ type }]) => type)), new Set(Object.keys(KINDS)));
});

Deno.test("a frame is one event of server-sent events, whatever is in it", () => {
  for (const [event] of GOLDEN) {
    const frame = uiMessageStream.encode({ seq: 1, event }, "run");
    assert(frame.endsWith("\n\n"));
    for (const line of frame.slice(0, -2).split(/\r\n|\r|\n/)) {
      assert(line === "" || /^(id|data): ./.test(line), JSON.stringify(frame));
    }
  }
});

Deno.test("the stream is kept open by a comment and ends as clients expect", () => {
  assertEquals(uiMessageStream.keepAlive, ": keep-alive\n\n");
  assertEquals(uiMessageStream.end, "data: [DONE]\n\n");
  assertEquals(uiMessageStream.headers["x-vercel-ai-ui-message-stream"], "v1");
});
