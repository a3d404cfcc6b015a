import { assertEquals, assertStringIncludes } from "@std/assert";
import { StreamReader } from "../kit/data_stream.ts";
import { startProvider } from "../kit/provider/provider.ts";
import { spawnParley } from "../kit/process.ts";
import { MODELS, providerEnv } from "../kit/scripted.ts";

const TOKEN = "alice-secret";
const headers = { "coder-session-token": TOKEN, "content-type": "application/json" };

const TOOLS = [{ name: "look", description: "Looks", inputSchema: { type: "object" } }];
const CASES = [
  { model: MODELS.anthropic, asked: {}, goesOn: true },
  { model: MODELS.compatible, asked: {}, goesOn: false },
  // What it was given besides would be missing.
  { model: MODELS.anthropic, asked: { tools: TOOLS }, goesOn: false },
  { model: MODELS.anthropic, asked: { unattended: "deny" }, goesOn: false },
];

for (const { model, asked, goesOn } of CASES) {
  const what = `${model} ${Object.keys(asked).join()}`;
  Deno.test(`after a crash ${what} ${goesOn ? "goes on with" : "keeps"} its answer`, async () => {
    await using provider = await startProvider();
    provider.script([
      { steps: [{ text: "one " }, { text: "two " }, { stall: true }] },
      { steps: [{ text: " three" }, { text: " four" }] },
    ]);
    const dataDir = await Deno.makeTempDir({ prefix: "parley-continue-" });
    const options = {
      dataDir,
      env: {
        ...providerEnv(provider),
        PARLEY_TOKENS: `alice=${TOKEN}`,
        PARLEY_ON_INTERRUPT: "continue",
      },
    };
    let chats: string;
    let run: string | null;
    let seen: string;
    {
      await using first = await spawnParley(options);
      const made = await fetch(`${first.url}/api/v2/chats`, {
        method: "POST",
        headers,
        body: '{"title":"A chat"}',
      });
      chats = `/api/v2/chats/${(await made.json()).id}`;
      const sent = await fetch(`${first.url}${chats}/messages`, {
        method: "POST",
        headers,
        body: JSON.stringify({ message: { role: "user", content: "Count" }, model, ...asked }),
      });
      run = sent.headers.get("parley-run-id");
      const reader = new StreamReader(sent);
      await reader.until('0:"two "');
      seen = reader.text;
      first.signal("SIGKILL");
      await first.exit;
      await reader.leave().catch(() => {});
    }
    await using second = await spawnParley(options);
    const resumed = await fetch(`${second.url}${chats}/stream?run=${run}`, { headers });
    const whole = await resumed.text();
    assertEquals(whole.startsWith(seen), true, whole);
    const history = await (await fetch(`${second.url}${chats}/messages`, { headers })).json();
    const text = goesOn ? "one two three four" : "one two ";
    assertEquals(history.map(({ content }: { content: string }) => content), ["Count", text]);
    const mark = { status: "interrupted", reason: "interrupted", retryable: true };
    const message = "Parley ended while it made this answer.";
    assertEquals(history[1].annotations, goesOn ? undefined : [{ run: { ...mark, message } }]);
    assertStringIncludes(whole, goesOn ? '0:"three"' : 'd:{"finishReason":"other"');
    assertEquals(provider.requests.length, goesOn ? 2 : 1);
    if (goesOn) {
      const { messages } = provider.requests[1]!.body as { messages: unknown[] };
      assertEquals(messages.at(-1), {
        role: "assistant",
        content: [{ type: "text", text: "one two" }],
      });
    }
    await Deno.remove(dataDir, { recursive: true });
  });
}

Deno.test("after a crash an answer that goes on behind results of its calls is kept, and counted", async () => {
  await using provider = await startProvider();
  const usage = { input: 10, output: 20 };
  provider.script([
    {
      steps: [
        { toolCall: { id: "call", name: "look", args: {} } },
        { finish: "tool-calls", usage },
      ],
    },
    { steps: [{ text: "It is " }, { stall: true }] },
  ]);
  const dataDir = await Deno.makeTempDir({ prefix: "parley-continue-" });
  const env = {
    ...providerEnv(provider),
    PARLEY_TOKENS: `alice=${TOKEN}`,
    PARLEY_ON_INTERRUPT: "continue",
  };
  let path: string;
  {
    await using first = await spawnParley({ dataDir, env });
    const made = await fetch(`${first.url}/api/v2/chats`, {
      method: "POST",
      headers,
      body: '{"title":"A chat"}',
    });
    path = `/api/v2/chats/${(await made.json()).id}/messages?protocol=ui`;
    const send = (message: unknown) =>
      fetch(first.url + path, {
        method: "POST",
        headers,
        body: JSON.stringify({ message, model: MODELS.anthropic, tools: TOOLS }),
      });
    await (await send({ role: "user", content: "Look" })).text();
    const [, answer] = await (await fetch(first.url + path, { headers })).json();
    answer.parts = answer.parts.map((part: { toolCallId?: string }) =>
      part.toolCallId ? { ...part, state: "output-available", output: 42 } : part
    );
    const reader = new StreamReader(await send(answer));
    await reader.until("It is ");
    first.signal("SIGKILL");
    await first.exit;
    await reader.leave().catch(() => {});
  }
  await using second = await spawnParley({ dataDir, env });
  const history = await (await fetch(second.url + path, { headers })).json();
  assertEquals(history.length, 2);
  const { parts, metadata } = history[1];
  const kinds = parts.map(({ type }: { type: string }) => type);
  assertEquals(kinds, ["step-start", "tool-look", "step-start", "text"]);
  assertEquals(parts.at(-1).text, "It is ");
  assertEquals(metadata.totalUsage.inputTokens > usage.input, true);
  assertEquals(metadata.totalUsage.outputTokens > usage.output, true);
  assertEquals(provider.requests.length, 2);
  await Deno.remove(dataDir, { recursive: true });
});
