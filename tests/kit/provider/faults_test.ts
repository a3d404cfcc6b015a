/** The faults, as the client sees them, and the client, as the provider reports it. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import v8 from "node:v8";
import vm from "node:vm";
import { APICallError } from "@ai-sdk/provider";
import { deltas, gate, type Script, type ScriptedProvider, startProvider } from "./provider.ts";
import { countOf, sampleOf } from "../random.ts";
import { callOf, modelOf, ofType, PACKAGES, streamed, textIn } from "./sdk.ts";

/** Requests chat completions without the SDK. */
function ask(provider: ScriptedProvider, stream = true): Promise<Response> {
  const messages = [{ role: "user", content: "hi" }];
  const body = JSON.stringify({ model: "scripted", stream, messages });
  return fetch(`${provider.base.openai}/chat/completions`, { method: "POST", body });
}

/** Counts the bytes of a body until it ends or fails. */
async function received(response: Response): Promise<{ bytes: number; failed: boolean }> {
  let bytes = 0;
  try {
    for await (const piece of response.body!) bytes += piece.length;
    return { bytes, failed: false };
  } catch {
    return { bytes, failed: true };
  }
}

async function lengthOf(script: Script, stream: boolean): Promise<number> {
  await using provider = await startProvider({ script });
  return (await received(await ask(provider, stream))).bytes;
}

for (const stream of [true, false]) {
  Deno.test(`a cut passes exactly n bytes, for any n, ${stream ? "streamed" : "whole"}`, async () => {
    const script = { steps: deltas(2) };
    const length = await lengthOf(script, stream);
    await using provider = await startProvider();
    // A body with all its bytes is complete, whatever happens to the socket.
    const cuts = Array.from({ length: length + (stream ? 1 : 0) }, (_, n) => n);
    for (const cutAtByte of sampleOf(cuts, countOf("PARLEY_CASES_EVERY", 5))) {
      provider.script({ ...script, cutAtByte });
      assertEquals(await received(await ask(provider, stream)), { bytes: cutAtByte, failed: true });
      const request = provider.requests.at(-1)!;
      assertEquals(await request.ended, "cut");
      assertEquals(request.bytesSent, cutAtByte);
    }
    provider.script({ ...script, cutAtByte: length + 1 });
    assertEquals(await received(await ask(provider, stream)), { bytes: length, failed: false });
  });
}

for (const kind of PACKAGES) {
  Deno.test(`${kind}: a cut after a delta is an error after that delta`, async () => {
    await using provider = await startProvider({
      script: { steps: [...deltas(3, 1), { cut: true }] },
    });
    const result = await streamed(modelOf(kind, provider), callOf("hi"));
    assertEquals(textIn(result), "012");
    assert(APICallError.isInstance(result.error));
    assertEquals(ofType(result, "finish"), []);
    assertEquals(provider.requests[0]?.outcome, "cut");
    assertEquals(provider.usage.scripted?.reported, 0);
  });

  Deno.test(`${kind}: tokens count as reported only if the write that reports them went out`, async () => {
    const steps = deltas(2);
    await using provider = await startProvider({ script: { steps } });
    const model = modelOf(kind, provider);
    await streamed(model, callOf("hi"));
    assertEquals(provider.usage.scripted?.reported, 1);
    provider.script({ steps, cutAtByte: provider.requests[0]!.bytesSent - 1 });
    await streamed(model, callOf("hi"));
    // Anthropic reports the input in its first frame.
    const input = kind === "anthropic" ? 20 : 10;
    const told = { requests: 2, reported: 1, input, output: 2, cached: 0, reasoning: 0 };
    assertEquals(provider.usage.scripted, told);
  });

  Deno.test(`${kind}: an end without a finish is not a "stop"`, async () => {
    await using provider = await startProvider({
      script: { steps: [{ text: "a" }, { end: true }] },
    });
    const result = await streamed(modelOf(kind, provider), callOf("hi"));
    assertEquals(result.error, undefined);
    const reason = ofType(result, "finish")[0]?.finishReason.unified;
    assertEquals(reason, kind === "compatible" ? "error" : "interrupted");
    assertEquals(await provider.requests[0]?.ended, "complete");
  });

  Deno.test(`${kind}: garbage on the wire is an error part`, async () => {
    const steps = [{ text: "a" }, { raw: "data: {nonsense\n\n" }, { text: "b" }];
    await using provider = await startProvider({ script: { steps } });
    const result = await streamed(modelOf(kind, provider), callOf("hi"));
    assertEquals(ofType(result, "error").length, 1);
    assertEquals(textIn(result), "ab");
  });

  Deno.test(`${kind}: an abort closes a stalled connection, even after garbage collection`, async () => {
    await using provider = await startProvider({
      script: { steps: [{ text: "a" }, { stall: true }] },
    });
    const abort = new AbortController();
    const { stream } = await modelOf(kind, provider)
      .doStream(callOf("hi", { abortSignal: abort.signal }));
    const reader = stream.getReader();
    let text = "";
    while (text === "") {
      const { value } = await reader.read();
      if (value?.type === "text-delta") text += value.delta;
    }
    const [request] = provider.requests;
    assertEquals(request?.outcome, "open");
    collectGarbage();
    const abortedAt = performance.now();
    abort.abort();
    await assertRejects(() => readOn(reader), DOMException);
    const closedAt = await request!.closed;
    assertEquals(request?.outcome, "client-closed");
    assertEquals(request?.closedAt, closedAt);
    assert(closedAt >= abortedAt && closedAt - abortedAt < 1_000);
  });

  Deno.test(`${kind}: an abort before the headers closes the connection`, async () => {
    await using provider = await startProvider({ script: { hold: gate() } });
    const abort = new AbortController();
    const call = modelOf(kind, provider).doStream(callOf("hi", { abortSignal: abort.signal }));
    const [request] = await provider.waitForRequests(1);
    assertEquals(request?.status, undefined);
    abort.abort();
    await assertRejects(() => call, DOMException);
    await request?.closed;
    assertEquals(request?.outcome, "client-closed");
  });

  Deno.test(`${kind}: a status is an APICallError with that status`, async () => {
    await using provider = await startProvider();
    for (const status of [400, 401, 403, 404, 429, 500, 503]) {
      provider.script({ status, message: "No luck", headers: { "retry-after": "7" } });
      const error = await assertRejects(
        () => modelOf(kind, provider).doStream(callOf("hi")),
        Error,
      );
      assert(APICallError.isInstance(error));
      assertEquals([error.statusCode, error.message], [status, "No luck"]);
      assertEquals(error.responseHeaders?.["retry-after"], "7");
      assertEquals(error.isRetryable, status === 429 || status >= 500);
      assertEquals(provider.requests.at(-1)?.status, status);
    }
  });

  Deno.test(`${kind}: a refused connection may be retried`, async () => {
    await using provider = await startProvider({ script: { refuse: true } });
    const error = await assertRejects(() => modelOf(kind, provider).doStream(callOf("hi")), Error);
    assert(APICallError.isInstance(error));
    assertEquals([error.statusCode, error.isRetryable], [undefined, true]);
    assertEquals(provider.requests.map((request) => request.outcome), ["refused"]);
  });
}

Deno.test("fetch itself retries on a kept-alive connection that is refused", async () => {
  await using provider = await startProvider({ script: [{}, { refuse: true }, {}] });
  for (const _ of [1, 2]) assert((await received(await ask(provider))).failed === false);
  const outcomes = provider.requests.map((request) => request.outcome);
  assertEquals(outcomes, ["complete", "refused", "complete"]);
});

Deno.test("cancelling the stream closes the connection", async () => {
  await using provider = await startProvider({
    script: { steps: [{ text: "a" }, { stall: true }] },
  });
  const response = await ask(provider);
  await response.body!.cancel();
  await provider.requests[0]!.closed;
  assertEquals(provider.requests[0]?.outcome, "client-closed");
});

Deno.test("the provider notices that a client stops reading and leaves", async () => {
  await using provider = await startProvider({ script: { steps: deltas(200, 100_000) } });
  const response = await ask(provider);
  await response.body!.cancel();
  assertEquals(await provider.requests[0]!.ended, "client-closed");
});

Deno.test("an error may have a body other than the dialect's", async () => {
  await using provider = await startProvider({
    script: { status: 502, body: "<h1>Bad gateway</h1>", headers: { "content-type": "text/html" } },
  });
  const response = await ask(provider);
  assertEquals(response.headers.get("content-type"), "text/html");
  assertEquals([response.status, await response.text()], [502, "<h1>Bad gateway</h1>"]);
});

function collectGarbage(): void {
  v8.setFlagsFromString("--expose-gc");
  vm.runInNewContext("gc")();
}

async function readOn(reader: ReadableStreamDefaultReader<unknown>): Promise<void> {
  while (!(await reader.read()).done);
}
