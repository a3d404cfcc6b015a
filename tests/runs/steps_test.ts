/** A run of several steps, with a tool of this server between two of them. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { FastClock } from "../kit/clock.ts";
import { partsOf, StreamReader, textOf } from "../kit/data_stream.ts";
import type { ScriptSource } from "../kit/provider/provider.ts";
import { startScripted } from "../kit/scripted.ts";
import { type TestTool, testToolbox } from "../kit/toolbox.ts";
import { rowsOf, within } from "./many_kit.ts";

const LIMIT = 10_000;

/** A model that calls a tool until it has `results` results, and then says so. */
const CALLS = (results: number): ScriptSource => ({ body }) => {
  const known = JSON.stringify(body).split('"role":"tool"').length - 1;
  return known === results
    ? {
      steps: [{ text: `${known} results` }, { finish: "stop", usage: { input: 30, output: 3 } }],
    }
    : {
      steps: [
        { text: "Let me see. " },
        { toolCall: { id: `call_${known}`, name: "test__look", args: { at: known } } },
        { finish: "tool-calls", usage: { input: 10, output: 1 } },
      ],
    };
};

/** A toolbox in which looking gives this. */
const looking = (run: TestTool["run"]) => testToolbox({ look: { run } });
const toolbox = looking(() => ({ output: { seen: true } }));

const ATTEMPTS = `SELECT kind, outcome, input_tokens, output_tokens FROM attempts ORDER BY rowid`;

Deno.test("a run goes on step by step: the model sees results, the ledger each request", async () => {
  await using scripted = await startScripted({ script: CALLS(2), toolbox });
  const chat = await scripted.chat();
  const stream = partsOf(await (await scripted.send(chat, "Look")).text());
  assertEquals(textOf(stream), "Let me see. Let me see. 2 results");
  const marks = stream.filter(({ code }) => "fed".includes(code));
  assertEquals(marks.map(({ code }) => code).join(""), "fefefed");
  const steps = stream.filter(({ code }) => code === "e").map(({ value }) => value.usage);
  assertEquals(steps.map(({ promptTokens }) => promptTokens), [10, 10, 30]);
  assertEquals(stream.at(-1)!.value.usage, { promptTokens: 50, completionTokens: 5 });
  const [, answer] = await scripted.history(chat);
  const step = "step-start text";
  assertEquals(
    answer!.parts.map(({ type }) => type).join(" "),
    `${step} tool-invocation ${step} tool-invocation ${step}`,
  );
  const asked = scripted.provider.requests.at(-1)!.body as { messages: { role: string }[] };
  const roles = asked.messages.map(({ role }) => role).join(" ");
  assertEquals(roles, "user assistant tool assistant tool");
  const rows = await rowsOf(scripted.server.dataDir, ATTEMPTS);
  assertEquals(rows.map(Object.values), [
    ["answer", "completed", 10, 1],
    ["answer", "completed", 10, 1],
    ["answer", "completed", 30, 3],
  ]);
});

Deno.test("each step is tried again before its first content", async () => {
  const model = CALLS(1) as (request: { body: Record<string, unknown> }) => object;
  let asked = 0;
  await using scripted = await startScripted({
    script: (request) => ++asked === 2 ? { status: 500 } : model(request),
    toolbox,
    clock: new FastClock(100),
  });
  const chat = await scripted.chat();
  const stream = partsOf(await (await scripted.send(chat, "Look")).text());
  assertEquals(textOf(stream), "Let me see. 1 results");
  const rows = await rowsOf(scripted.server.dataDir, ATTEMPTS);
  assertEquals(rows.map(({ kind, outcome }) => [kind, outcome]), [
    ["answer", "completed"],
    ["answer", "failed"],
    ["retry", "completed"],
  ]);
});

for (
  const [name, run, end] of [
    ["throws", () => Promise.reject(new Error("a bug")), "d:"],
    ["never settles", () => new Promise(() => {}), "d:"],
  ] satisfies [string, TestTool["run"], string][]
) {
  Deno.test(`a tool ${name}: the run still ends`, async () => {
    await using scripted = await startScripted({
      script: CALLS(1),
      toolbox: looking(run),
      clock: new FastClock(100),
    });
    const chat = await scripted.chat();
    const reader = new StreamReader(await scripted.send(chat, "Look"));
    await reader.until("look");
    if (name === "never settles") {
      await scripted.server.ask("POST", `/api/v2/chats/${chat}/stop`);
    }
    await within(LIMIT, "the end", reader.rest());
    assertStringIncludes(reader.text, `\n${end}`);
    const rows = await rowsOf(scripted.server.dataDir, ATTEMPTS);
    const used = rows.map(({ input_tokens, output_tokens }) => [input_tokens, output_tokens]);
    assertEquals(used, name === "throws" ? [[10, 1], [30, 3]] : [[10, 1]]);
    const again = await scripted.send(chat, "Again");
    assertEquals(again.status, 200);
    await again.body?.cancel();
  });
}
