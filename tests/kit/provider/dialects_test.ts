/** Every kind of step, read back by the AI SDK's own provider packages. */
import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { APICallError, type LanguageModelV4FunctionTool } from "@ai-sdk/provider";
import { type FinishReason, type ScriptedProvider, startProvider, type Step } from "./provider.ts";
import { callOf, modelOf, ofType, type Package, PACKAGES, streamed, textIn } from "./sdk.ts";

/** One test per package, each with its own provider. */
function each(
  name: string,
  kinds: readonly Package[],
  body: (kind: Package, provider: ScriptedProvider) => Promise<void>,
): void {
  for (const kind of kinds) {
    Deno.test(`${kind}: ${name}`, async () => {
      await using provider = await startProvider();
      await body(kind, provider);
    });
  }
}

function play(kind: Package, provider: ScriptedProvider, steps: Step[]) {
  provider.script({ steps });
  return streamed(modelOf(kind, provider), callOf("hi", { tools: [ADD] }));
}

const ADD: LanguageModelV4FunctionTool = {
  type: "function",
  name: "add",
  inputSchema: { type: "object", properties: { a: { type: "number" } } },
};
const NO_CHAT = PACKAGES.filter((kind) => kind !== "openai-chat" && kind !== "compatible");

each(
  "text arrives delta by delta, with nothing wrong in between",
  PACKAGES,
  async (kind, provider) => {
    const result = await play(kind, provider, [{ text: "Grüß" }, { text: ' "Gott"\n' }, {
      text: "🙂",
    }]);
    const deltas = ofType(result, "text-delta").map((part) => part.delta).filter(Boolean);
    assertEquals(deltas, ["Grüß", ' "Gott"\n', "🙂"]);
    assertEquals(ofType(result, "text-start").length, 1);
    assertEquals(ofType(result, "text-end").length, 1);
    assertEquals(ofType(result, "error"), []);
    assertEquals(result.error, undefined);
  },
);

each("the standard finish says stop and counts the deltas", PACKAGES, async (kind, provider) => {
  const [finish] = ofType(await play(kind, provider, [{ text: "a" }, { text: "b" }]), "finish");
  assertEquals(finish?.finishReason.unified, "stop");
  assertEquals(finish?.usage.inputTokens.total, 10);
  assertEquals(finish?.usage.outputTokens.total, 2);
  const told = { requests: 1, reported: 1, input: 10, output: 2, cached: 0, reasoning: 0 };
  assertEquals(provider.usage, { scripted: told });
});

each("a usage is told alike in every dialect", PACKAGES, async (kind, provider) => {
  const usage = { input: 100, output: 20, cached: 40, reasoning: 5 };
  const [finish] = ofType(
    await play(kind, provider, [{ text: "a" }, { finish: "stop", usage }]),
    "finish",
  );
  const { inputTokens, outputTokens } = finish!.usage;
  assertEquals([inputTokens.total, inputTokens.noCache, inputTokens.cacheRead], [100, 60, 40]);
  assertEquals([outputTokens.total, outputTokens.text, outputTokens.reasoning], [20, 15, 5]);
  assertEquals(provider.usage.scripted, { requests: 1, reported: 1, ...usage });
});

each("noUsage tells none", PACKAGES, async (kind, provider) => {
  const [finish] = ofType(await play(kind, provider, [{ text: "a" }, { noUsage: true }]), "finish");
  assertEquals(finish?.usage.outputTokens.total, kind === "anthropic" ? 0 : undefined);
  assertEquals(provider.usage.scripted?.reported, 0);
});

for (const reason of ["length", "content-filter", "tool-calls"] as const) {
  each(`finish "${reason}" is understood`, PACKAGES, async (kind, provider) => {
    const call = { toolCall: { id: "call_1", name: "add", args: {} } };
    const said: Step = reason === "tool-calls" ? call : { text: "a" };
    const result = await play(kind, provider, [said, { finish: reason }]);
    const unified: FinishReason | undefined = ofType(result, "finish")[0]?.finishReason
      .unified as FinishReason;
    assertEquals(unified, reason);
  });
}

each("reasoning comes before the text", [...NO_CHAT, "compatible"], async (kind, provider) => {
  const result = await play(kind, provider, [{ reasoning: "hm" }, { reasoning: " so" }, {
    text: "a",
  }]);
  assertEquals(ofType(result, "reasoning-delta").map((part) => part.delta), ["hm", " so"]);
  const types = result.parts.map((part) => part.type);
  assert(types.indexOf("reasoning-end") < types.indexOf("text-start"));
});

each("a signature is in the provider's metadata", NO_CHAT, async (kind, provider) => {
  const steps = [{ reasoning: "hm" }, { reasoningSignature: "sig" }, { text: "a" }];
  const result = await play(kind, provider, steps);
  const found = {
    openai: ["reasoning-end", { reasoningEncryptedContent: "sig", itemId: "rs_000001_0" }],
    anthropic: ["reasoning-delta", { signature: "sig" }],
    google: ["reasoning-delta", { thoughtSignature: "sig" }],
  } as const;
  const [type, metadata] = found[kind as keyof typeof found];
  assertEquals(ofType(result, type).at(-1)?.providerMetadata?.[kind], metadata);
});

each("redacted reasoning is in the metadata", ["anthropic"], async (kind, provider) => {
  const result = await play(kind, provider, [{ redactedReasoning: "secret" }, { text: "a" }]);
  const [start] = ofType(result, "reasoning-start");
  assertEquals(start?.providerMetadata, { anthropic: { redactedData: "secret" } });
});

each("a tool call arrives in pieces and whole", PACKAGES, async (kind, provider) => {
  const args = { a: 1, b: "zwei 🙂" };
  const result = await play(kind, provider, [
    { text: "I add." },
    { toolCall: { id: "call_1", name: "add", args, chunks: 3 } },
    { toolCall: { id: "call_2", name: "add", args: {} } },
  ]);
  const calls = ofType(result, "tool-call");
  assertEquals(calls.map((call) => [call.toolCallId, call.toolName]), [
    ["call_1", "add"],
    ["call_2", "add"],
  ]);
  assertEquals(calls.map((call) => JSON.parse(call.input)), [args, {}]);
  const pieces = ofType(result, "tool-input-delta").filter((part) => part.id === "call_1");
  assertEquals(pieces.length, kind === "google" ? 1 : 3);
  assertEquals(ofType(result, "finish")[0]?.finishReason.unified, "tool-calls");
});

each("broken arguments stay broken", PACKAGES, async (kind, provider) => {
  const call = { id: "call_1", name: "add", args: '{"a":' };
  const result = await play(kind, provider, [{ toolCall: call }]);
  assertEquals(ofType(result, "tool-call")[0]?.input, '{"a":');
});

each(
  "a source has its address and title",
  [...NO_CHAT, "openai-chat"],
  async (kind, provider) => {
    const source = { url: "https://a.example/x", title: "A" };
    const result = await play(kind, provider, [{ text: "a" }, { source }]);
    const [found] = ofType(result, "source");
    assert(found?.sourceType === "url");
    assertEquals({ url: found.url, title: found.title }, source);
  },
);

each("a file has its type and data", ["google"], async (kind, provider) => {
  const result = await play(kind, provider, [{ file: { mediaType: "image/png", data: "AAAA" } }]);
  const [file] = ofType(result, "file");
  assertEquals(file?.mediaType, "image/png");
  assertEquals(file?.data, { type: "data", data: "AAAA" });
});

each("an error inside the stream is an error part", PACKAGES, async (kind, provider) => {
  const failure = { message: "Overloaded just now", status: 503 };
  const result = await play(kind, provider, [{ text: "a" }, { error: failure }]);
  assertEquals(textIn(result), "a");
  const [part] = ofType(result, "error");
  assertStringIncludes((part?.error as Error).message, "Overloaded just now");
  assertEquals(provider.usage.scripted?.reported, 0);
});

each(
  "an error as the first event is thrown with its status",
  ["openai", "openai-chat", "anthropic"],
  async (kind, provider) => {
    const failed = play(kind, provider, [{ error: { message: "Overloaded", status: 503 } }]);
    const error = await failed.then(() => undefined, (error) => error);
    assert(APICallError.isInstance(error));
    assertEquals(error.statusCode, kind === "anthropic" ? 529 : 503);
    assertEquals(error.isRetryable, true);
  },
);

each("without streaming the same script is one JSON", PACKAGES, async (kind, provider) => {
  provider.script({
    steps: [
      { text: "Hel" },
      { text: "lo" },
      { toolCall: { id: "call_1", name: "add", args: { a: 1 } } },
      { finish: "tool-calls", usage: { input: 7, output: 3 } },
    ],
  });
  const { content, finishReason, usage } = await modelOf(kind, provider).doGenerate(callOf("hi"));
  assertEquals(content.flatMap((part) => part.type === "text" ? [part.text] : []), ["Hello"]);
  const calls = content.flatMap((part) => part.type === "tool-call" ? [part.input] : []);
  assertEquals(calls, ['{"a":1}']);
  assertEquals(finishReason.unified, "tool-calls");
  assertEquals([usage.inputTokens.total, usage.outputTokens.total], [7, 3]);
  assertEquals(provider.requests[0]?.streaming, false);
  assertEquals(provider.usage.scripted?.output, 3);
});
