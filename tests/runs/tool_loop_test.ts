/** The loop of tool calls: what the model is given, what runs, and how it ends. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import type { JsonObject } from "../../src/domain/json.ts";
import { readFrames, UI } from "../kit/ui.ts";
import type { ScriptSource } from "../kit/provider/provider.ts";
import { startScripted } from "../kit/scripted.ts";
import { testToolbox } from "../kit/toolbox.ts";

type Call = { id?: string; name: string; args: unknown };

/** A model that makes these calls, step by step, and then says what it was told. */
function calling(...steps: Call[][]): ScriptSource {
  return ({ body }) => {
    const { messages } = body as { messages: { role: string; content: string }[] };
    const last = messages.findLastIndex(({ role }) => role === "user");
    const turn = messages.slice(last + 1).filter(({ role }) => role === "assistant").length;
    const calls = steps[turn];
    if (!calls) {
      const told = messages.slice(last + 1).filter(({ role }) => role === "tool")
        .map(({ content }) => content).join(" | ");
      return { steps: [{ text: told || "nothing" }, { finish: "stop" }] };
    }
    return {
      steps: [
        ...calls.map((call, at) => ({ toolCall: { id: `call_${turn}_${at}`, ...call } })),
        { finish: "tool-calls" as const },
      ],
    };
  };
}

const number = {
  type: "object",
  properties: { n: { type: "number" } },
  required: ["n"],
} satisfies JsonObject;

Deno.test("calls of a step run side by side, and the model is told in the order of its calls", async () => {
  const both = Promise.withResolvers<void>();
  let running = 0;
  const toolbox = testToolbox({
    double: {
      schema: number,
      async run({ input }) {
        if (++running === 2) both.resolve();
        await both.promise;
        return { output: { is: 2 * Number(input["n"]) } };
      },
    },
  });
  const script = calling([
    { name: "test__double", args: { n: 1 } },
    { name: "test__double", args: { n: 2 } },
  ]);
  await using scripted = await startScripted({ script, toolbox });
  const chat = await scripted.chat();
  await (await scripted.send(chat, "Double")).text();
  const [, answer] = await scripted.history(chat);
  assertEquals(answer!.content, '{"is":2} | {"is":4}');
});

/** What the model gets in place of a result, by what is wrong with a call. */
const WRONG: readonly [string, Call, RegExp][] = [
  ["no such tool", { name: "test__triple", args: {} }, /no tool "test__triple".*test__double/],
  ["arguments that do not fit", { name: "test__double", args: { n: "x" } }, /do not fit.*\/n/],
  ["arguments that are missing", { name: "test__double", args: {} }, /do not fit/],
  ["arguments that are no object", { name: "test__double", args: [1] }, /expected an object/],
  ["a denied call", { name: "test__denied", args: {} }, /policies.*do not allow/],
  ["a tool that throws", { name: "test__broken", args: {} }, /failed: a bug/],
  ["a tool that fails", { name: "test__failing", args: {} }, /out of paper/],
  ["a result that is too large", { name: "test__flood", args: {} }, /more than this answer/],
];

for (const [name, call, told] of WRONG) {
  Deno.test(`${name} is told to the model, which goes on`, async () => {
    const ran: string[] = [];
    const toolbox = testToolbox({
      double: { schema: number, run: () => ({ output: ran.push("double") }) },
      denied: { run: () => ({ output: ran.push("denied") }) },
      broken: { run: () => Promise.reject(new Error("a bug")) },
      failing: { run: () => ({ errorText: "out of paper" }) },
      flood: { run: () => ({ output: "x".repeat(6 * 1024 * 1024) }) },
    }, [{ match: "*", action: "allow" }, { match: "test__denied", action: "deny" }]);
    await using scripted = await startScripted({ script: calling([call]), toolbox });
    const chat = await scripted.chat();
    await (await scripted.send(chat, "Go")).text();
    const [, answer] = await scripted.history(chat);
    assertMatch(answer!.content, told);
    assertEquals(ran, []);
  });
}

Deno.test("a loop ends after its steps, and says so", async () => {
  let runs = 0;
  const toolbox = testToolbox({ next: { run: () => ({ output: ++runs }) } });
  const steps = Array.from({ length: 9 }, (_, n) => [{ name: "test__next", args: { n } }]);
  await using scripted = await startScripted({
    script: calling(...steps),
    toolbox,
    env: { PARLEY_TOOL_STEPS: "4" },
  });
  const chat = await scripted.chat();
  const text = await (await scripted.send(chat, "Go")).text();
  assertStringIncludes(text, '\n3:"The answer has taken 4 steps');
  assertEquals(runs, 3);
  assertEquals(scripted.provider.requests.length, 4);
  const [, answer] = await scripted.history(chat);
  const calls = answer!.parts.filter(({ type }) => type === "tool-invocation");
  assert(calls.every(({ toolInvocation }) => (toolInvocation as JsonObject)["state"] === "result"));
});

Deno.test("the same call again and again ends the run", async () => {
  let runs = 0;
  const toolbox = testToolbox({ look: { run: () => ({ output: ++runs }) } });
  const same = Array.from({ length: 9 }, (_, n) => [
    { name: "test__look", args: n % 2 ? { a: 1, b: 2 } : { b: 2, a: 1 } },
  ]);
  await using scripted = await startScripted({ script: calling(...same), toolbox });
  const text = await (await scripted.send(await scripted.chat(), "Go")).text();
  assertStringIncludes(text, "with the same arguments 5 times in a row");
  assertEquals(runs, 4);
});

Deno.test("a name that a model makes up is told in part", async () => {
  const name = "n".repeat(50_000);
  const toolbox = testToolbox({ look: { run: () => ({ output: 1 }) } });
  const steps = Array.from({ length: 6 }, () => [{ name, args: {} }]);
  await using scripted = await startScripted({ script: calling(...steps), toolbox });
  const text = await (await scripted.send(await scripted.chat(), "Go")).text();
  const [failure] = /\n3:.*/.exec(text)!;
  assertStringIncludes(failure, "5 times in a row");
  assert(failure.length < 300);
});

Deno.test("progress is shown live, and is no part of the message", async () => {
  const toolbox = testToolbox({
    slow: {
      run(_call, _signal, progress) {
        progress({ at: "half" });
        return { output: "whole" };
      },
    },
  });
  await using scripted = await startScripted({
    script: calling([{ name: "test__slow", args: {} }]),
    toolbox,
  });
  const chat = await scripted.chat();
  const frames = await readFrames(
    await scripted.send(chat, "Go", {}, UI),
  );
  const outputs = frames.filter(({ type }) => type === "tool-output-available");
  assertEquals(outputs.map(({ output, preliminary }) => [output, preliminary]), [
    [{ at: "half" }, true],
    ["whole", undefined],
  ]);
});

Deno.test("progress that comes behind the result is not shown", async () => {
  const toolbox = testToolbox({
    slow: {
      run(_call, _signal, progress) {
        setTimeout(() => progress("late"), 0);
        return { output: "whole" };
      },
    },
    next: {
      async run() {
        await new Promise((resolve) => setTimeout(resolve, 50));
        return { output: "next" };
      },
    },
  });
  await using scripted = await startScripted({
    script: calling([{ name: "test__slow", args: {} }], [{ name: "test__next", args: {} }]),
    toolbox,
  });
  const frames = await readFrames(await scripted.send(await scripted.chat(), "Go", {}, UI));
  const outputs = frames.filter(({ type }) => type === "tool-output-available");
  assertEquals(outputs.map(({ output }) => output), ["whole", "next"]);
});

Deno.test("a client's tool beside one of this server: the run waits for the client alone", async () => {
  const toolbox = testToolbox({ look: { run: () => ({ output: "seen" }) } });
  const script = calling([
    { name: "test__look", args: {} },
    { name: "where", args: {} },
  ]);
  await using scripted = await startScripted({ script, toolbox });
  const chat = await scripted.chat();
  const tools = [{ name: "where", parameters: { type: "object" } }];
  const text = await (await scripted.send(chat, "Go", { tools })).text();
  assertStringIncludes(text, '"finishReason":"tool-calls"');
  const [, answer] = await scripted.history(chat);
  const parts = answer!.parts.map((part) => {
    const { toolInvocation: call } = part as { toolInvocation?: JsonObject };
    return call?.["toolName"] === "where"
      ? { ...part, toolInvocation: { ...call, state: "result", result: "Bern" } }
      : part;
  });
  const back = await scripted.send(chat, "", { message: { ...answer, parts }, tools });
  await back.text();
  const [, whole] = await scripted.history(chat);
  assertEquals(whole!.content, "seen | Bern");
});

Deno.test("a stop ends the tool, and the call says so", async () => {
  const begun = Promise.withResolvers<void>();
  const stopped = Promise.withResolvers<void>();
  const toolbox = testToolbox({
    wait: {
      run: (_call, signal) =>
        new Promise((resolve) => {
          begun.resolve();
          signal.addEventListener("abort", () => {
            stopped.resolve();
            resolve({ errorText: "stopped" });
          });
        }),
    },
  });
  await using scripted = await startScripted({
    script: calling([{ name: "test__wait", args: {} }]),
    toolbox,
  });
  const chat = await scripted.chat();
  const response = await scripted.send(chat, "Go");
  await begun.promise;
  await scripted.server.ask("POST", `/api/v2/chats/${chat}/stop`);
  await stopped.promise;
  await response.text();
  const [, answer] = await scripted.history(chat);
  const call = answer!.parts.find(({ type }) => type === "tool-invocation");
  assertMatch(JSON.stringify(call), /ended before the tool did/);
});

Deno.test("a tool's file is kept in the chat and part of the answer", async () => {
  const bytes = new Uint8Array([0x89, 0x50, 0x4e, 0x47]);
  const toolbox = testToolbox({
    draw: { run: () => ({ output: "drawn", files: [{ mediaType: "image/png", bytes }] }) },
  });
  await using scripted = await startScripted({
    script: calling([{ name: "test__draw", args: {} }]),
    toolbox,
  });
  const chat = await scripted.chat();
  const frames = await readFrames(
    await scripted.send(chat, "Go", {}, UI),
  );
  const { url } = frames.find(({ type }) => type === "file")!;
  const file = await scripted.server.ask("GET", url as string);
  assertEquals(new Uint8Array(await file.arrayBuffer()), bytes);
});

Deno.test("a failed write of the intent runs nothing", async () => {
  let runs = 0;
  const toolbox = testToolbox({ act: { run: () => ({ output: ++runs }) } });
  await using scripted = await startScripted({
    script: calling([{ name: "test__act", args: {} }]),
    toolbox,
    stores: (stores) => ({
      ...stores,
      toolCalls: { ...stores.toolCalls, begin: () => Promise.reject(new Error("no disk")) },
    }),
  });
  const text = await (await scripted.send(await scripted.chat(), "Go")).text();
  assertStringIncludes(text, "\n3:");
  assertEquals(runs, 0);
});
