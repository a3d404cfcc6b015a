import { assertEquals } from "@std/assert";
import type { RunEvent } from "../../src/domain/event.ts";
import { dataStream } from "../../src/wire/data_stream.ts";

const usage = {
  inputTokens: 3,
  outputTokens: 4,
  cachedTokens: 0,
  reasoningTokens: 1,
  estimated: false,
};
const call = { toolCallId: "c1", toolName: "look" };

/** Every kind of event with the lines that it becomes. */
const GOLDEN: [RunEvent, string][] = [
  [{ type: "start", messageId: "m1", model: "x" }, ""],
  [{ type: "step-start", messageId: "m1" }, 'f:{"messageId":"m1"}\n'],
  [{ type: "text-start", id: "t" }, ""],
  [{ type: "text-delta", id: "t", text: 'a\n"b"\u2028' }, '0:"a\\n\\"b\\"\u2028"\n'],
  [{ type: "text-end", id: "t" }, ""],
  [{ type: "reasoning-start", id: "r" }, ""],
  [{ type: "reasoning-delta", id: "r", text: "hm" }, 'g:"hm"\n'],
  [{ type: "reasoning-end", id: "r" }, ""],
  [
    { type: "reasoning-end", id: "r", providerMetadata: { anthropic: { signature: "s" } } },
    'g:""\nj:{"signature":"s"}\n',
  ],
  [
    { type: "reasoning-start", id: "r", providerMetadata: { anthropic: { redactedData: "d" } } },
    'i:{"data":"d"}\n',
  ],
  [{ type: "tool-input-start", ...call }, 'b:{"toolCallId":"c1","toolName":"look"}\n'],
  [
    { type: "tool-input-delta", toolCallId: "c1", text: '{"a' },
    'c:{"toolCallId":"c1","argsTextDelta":"{\\"a"}\n',
  ],
  [
    { type: "tool-input", ...call, input: { a: 1 } },
    '9:{"toolCallId":"c1","toolName":"look","args":{"a":1}}\n',
  ],
  [
    { type: "tool-input", ...call, input: [1] },
    '9:{"toolCallId":"c1","toolName":"look","args":{"value":[1]}}\n',
  ],
  [
    { type: "tool-input-error", ...call, input: "{", errorText: "no JSON" },
    '9:{"toolCallId":"c1","toolName":"look","args":{}}\n' +
    'a:{"toolCallId":"c1","result":{"error":"no JSON"}}\n',
  ],
  [
    { type: "tool-output", toolCallId: "c1", output: null },
    'a:{"toolCallId":"c1","result":null}\n',
  ],
  [
    { type: "tool-output-error", toolCallId: "c1", errorText: "broke" },
    'a:{"toolCallId":"c1","result":{"error":"broke"}}\n',
  ],
  [
    { type: "source-url", sourceId: "s", url: "https://e.example/" },
    'h:{"sourceType":"url","id":"s","url":"https://e.example/"}\n',
  ],
  [{ type: "source-document", sourceId: "s", mediaType: "a/b", title: "t" }, ""],
  [
    { type: "file", mediaType: "image/png", url: "data:image/png;base64,AAAA" },
    'k:{"mimeType":"image/png","data":"AAAA"}\n',
  ],
  [{ type: "file", mediaType: "image/png", url: "https://e.example/a.png" }, ""],
  [
    { type: "step-finish", finishReason: "tool-calls", usage },
    'e:{"finishReason":"tool-calls","usage":{"promptTokens":3,"completionTokens":4},"isContinued":false}\n',
  ],
  [
    { type: "finish", state: "completed", finishReason: "stop", usage, model: "x" },
    'd:{"finishReason":"stop","usage":{"promptTokens":3,"completionTokens":4}}\n',
  ],
  [
    {
      type: "error",
      failure: { class: "provider_cut", message: "It broke.", retryable: true },
      usage,
    },
    '3:"It broke."\nd:{"finishReason":"error","usage":{"promptTokens":3,"completionTokens":4}}\n',
  ],
];

Deno.test("every kind of event in the data stream", async (t) => {
  for (const [event, text] of GOLDEN) {
    await t.step(`${event.type} ${text}`, () => {
      assertEquals(dataStream.encode({ seq: 1, event }, "run"), text);
    });
  }
});
