/** The provider itself: recording, choice and pacing of scripts, and the command line. */
import { assert, assertEquals, assertGreaterOrEqual, assertStringIncludes } from "@std/assert";
import { deltas, gate, lastUserText, type ScriptedProvider, startProvider } from "./provider.ts";
import { callOf, modelOf, PACKAGES, streamed, textIn } from "./sdk.ts";

function ask(url: string, content: string, signal?: AbortSignal): Promise<Response> {
  const messages = [{ role: "user", content }];
  const body = JSON.stringify({ model: "scripted", stream: true, messages });
  return fetch(`${url}/v1/chat/completions`, { method: "POST", body, signal: signal ?? null });
}

function deltasIn(body: string): string[] {
  return [...body.matchAll(/"delta":\{"content":"([^"]*)"/g)].map((match) => match[1]!);
}

for (const kind of PACKAGES) {
  Deno.test(`${kind}: a request is recorded`, async () => {
    await using provider = await startProvider();
    const long = "ö".repeat(300_000);
    await streamed(modelOf(kind, provider), callOf(long));
    const [request] = provider.requests;
    assert(request);
    assertEquals([request.number, request.method, request.model], [1, "POST", "scripted"]);
    assertEquals([request.streaming, request.status], [true, 200]);
    assertEquals(lastUserText(request.body), long);
    assertEquals(request.headers.get("content-type"), "application/json");
    assertEquals(await request.ended, "complete");
    assert(request.endedAt! >= request.arrivedAt);
    assertEquals(request.closedAt, undefined);
  });
}

Deno.test("a request's body may come in chunks", async () => {
  await using provider = await startProvider();
  const pieces = ['{"messages":[{"role":"user",', '"content":"hi"}],"model":"m"}'];
  const body = ReadableStream.from(pieces).pipeThrough(new TextEncoderStream());
  const url = `${provider.base.openai}/chat/completions`;
  await (await fetch(url, { method: "POST", body })).body?.cancel();
  assertEquals(provider.requests[0]?.headers.get("transfer-encoding"), "chunked");
  assertEquals(lastUserText(provider.requests[0]!.body), "hi");
});

Deno.test("a queue plays in order and repeats its last script", async () => {
  await using provider = await startProvider({
    script: [{ steps: [{ text: "one" }] }, { status: 429 }, { steps: [{ text: "three" }] }],
  });
  const answers = [];
  for (let turn = 0; turn < 4; turn++) {
    const response = await ask(provider.url, "hi");
    const text = await response.text();
    answers.push(response.status === 200 ? deltasIn(text) : response.status);
  }
  assertEquals(answers, [["one"], 429, ["three"], ["three"]]);
});

Deno.test("a function chooses by request, and its failure is reported", async () => {
  await using provider = await startProvider({
    script: (request) => {
      if (request.number === 2) throw new Error("no script for this");
      return { steps: [{ text: lastUserText(request.body) }] };
    },
  });
  assertEquals(deltasIn(await (await ask(provider.url, "echo")).text()), ["echo"]);
  const failed = await ask(provider.url, "hi");
  assertEquals(failed.status, 500);
  assertStringIncludes(await failed.text(), "no script for this");
});

Deno.test("a gate holds an answer until it opens", async () => {
  const held = gate();
  await using provider = await startProvider({
    script: { steps: [{ text: "a" }, { wait: held }, { text: "b" }] },
  });
  const body = (await ask(provider.url, "hi")).body!.pipeThrough(new TextDecoderStream());
  const reader = body.getReader();
  let text = "";
  while (!deltasIn(text).includes("a")) text += (await reader.read()).value;
  assertEquals(deltasIn(text), ["a"]);
  assertEquals(provider.requests[0]?.outcome, "open");
  held.open();
  for (let read = await reader.read(); !read.done; read = await reader.read()) text += read.value;
  assertEquals(deltasIn(text), ["a", "b"]);
});

Deno.test("a closed gate does not hold a request whose client leaves", async () => {
  await using provider = await startProvider({
    script: { steps: [{ text: "a" }, { wait: gate() }] },
  });
  const abort = new AbortController();
  await ask(provider.url, "hi", abort.signal);
  abort.abort();
  assertEquals(await provider.requests[0]!.ended, "client-closed");
});

Deno.test("waitForRequests resolves when that many have arrived", async () => {
  await using provider = await startProvider();
  const both = provider.waitForRequests(2);
  await Promise.all([1, 2].map(async () => (await ask(provider.url, "hi")).text()));
  assertEquals((await both).length, 2);
  assertEquals((await provider.waitForRequests(1)).length, 2);
});

Deno.test("delays add up and do not drift", async () => {
  const steps = deltas(10).flatMap((text) => [{ delay: 10 }, text]);
  await using provider = await startProvider({ script: { steps } });
  const startedAt = performance.now();
  await (await ask(provider.url, "hi")).text();
  assertGreaterOrEqual(performance.now() - startedAt, 99);
});

Deno.test("chunksPerWrite joins deltas into one chunk", async () => {
  const steps = deltas(10);
  assertEquals(await chunksOf({ steps }), 11);
  assertEquals(await chunksOf({ steps, chunksPerWrite: 5 }), 3);
  assertEquals(await chunksOf({ steps, chunksPerWrite: 100 }), 1);
});

Deno.test("prerendered bytes are the same for each request", async () => {
  await using provider = await startProvider({ script: { steps: deltas(3), prerender: true } });
  const first = await (await ask(provider.url, "hi")).text();
  assertEquals(await (await ask(provider.url, "hi")).text(), first);
  provider.script({ steps: deltas(3) });
  const other = await (await ask(provider.url, "hi")).text();
  assertEquals(other.length, first.length);
  assert(other !== first);
});

Deno.test("chat completions report usage only on request", async () => {
  await using provider = await startProvider();
  assert(!(await (await ask(provider.url, "hi")).text()).includes("usage"));
  assertEquals(provider.usage.scripted?.reported, 0);
});

Deno.test("the models are listed in OpenAI's shape", async () => {
  await using provider = await startProvider({ models: ["a", "b"] });
  const list = await (await fetch(`${provider.url}/v1/models`)).json();
  assertEquals(list.object, "list");
  assertEquals(list.data.map((model: { id: string }) => model.id), ["a", "b"]);
  assertEquals(provider.requests.length, 0);
});

Deno.test("an unknown route gets an error", async () => {
  await using provider = await startProvider();
  const response = await fetch(`${provider.url}/v1/nothing`, { method: "POST", body: "{}" });
  assertEquals(response.status, 404);
  assertStringIncludes(await response.text(), "POST /v1/nothing");
});

Deno.test("closing the provider cuts open connections", async () => {
  const provider = await startProvider({ script: { steps: [{ text: "a" }, { stall: true }] } });
  const reading = streamed(modelOf("compatible", provider), callOf("hi"));
  const [request] = await provider.waitForRequests(1);
  await provider.close();
  assertEquals(await request!.ended, "cut");
  assert((await reading).error);
});

Deno.test("the command line serves plans", async () => {
  const main = new URL("./main.ts", import.meta.url).pathname;
  const command = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", main, "--deltas", "3", "--size", "1"],
    stdout: "piped",
  });
  await using child = command.spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let line = "";
  while (!line.endsWith("\n")) line += (await reader.read()).value;
  const url = line.match(/^provider listens on (http:\S+)\n$/)?.[1] ?? "";
  assertEquals(deltasIn(await (await ask(url, "hi")).text()), ["0", "1", "2"]);
  const plan = JSON.stringify({ deltas: 4, delayMs: 1, perWrite: 2 });
  assertEquals(deltasIn(await (await ask(url, plan)).text()), ["0", "1", "2", "3"]);
  const base = { openai: `${url}/v1`, anthropic: `${url}/v1`, google: `${url}/v1beta` };
  for (const kind of PACKAGES) {
    const provider = { base } as ScriptedProvider;
    assertEquals(textIn(await streamed(modelOf(kind, provider), callOf(plan))), "0123");
  }
  child.kill("SIGTERM");
  await reader.cancel();
  assertEquals((await child.status).code, 0);
});

/** The number of chunks of a body on the wire. */
async function chunksOf(script: Parameters<ScriptedProvider["script"]>[0]): Promise<number> {
  await using provider = await startProvider({ script });
  using conn = await Deno.connect({
    hostname: "127.0.0.1",
    port: Number(new URL(provider.url).port),
  });
  const body = '{"model":"m","stream":true}';
  const head =
    `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-length: ${body.length}\r\n\r\n`;
  await conn.write(new TextEncoder().encode(head + body));
  let text = "";
  const buffer = new Uint8Array(65_536);
  while (!text.endsWith("\r\n0\r\n\r\n")) {
    text += new TextDecoder().decode(buffer.subarray(0, await conn.read(buffer) ?? 0));
  }
  return [...text.matchAll(/\r\n[0-9a-f]+\r\ndata: /g)].length;
}
