/** Runs of a whole server, by each client's own code: what it shows at the end is the history. */
import { assertEquals } from "@std/assert";
import type { Json } from "../../src/domain/json.ts";
import { MODELS, type Scripted, startScripted } from "../kit/scripted.ts";
import type { Step } from "../kit/provider/script.ts";
import { assembleUi, assembleV4, UI_CLIENTS, type UiClient } from "./clients.ts";
import { HALF_A_CALL } from "./half_a_call.ts";
import { asShownByUi, asShownByV4 } from "./shown.ts";

interface Scenario {
  name: string;
  model: string;
  steps: Step[];
  /** Stops the run once the stream has this in it. */
  stopAt?: string;
  /** The tool that the client runs. */
  tools?: object[];
}

const WHERE = { name: "where", inputSchema: { type: "object" } };

const SCENARIOS: Scenario[] = [
  {
    name: "reasoning, signed and redacted, with text around a call",
    model: MODELS.anthropic,
    steps: [
      { reasoning: "Let me " },
      { reasoning: "see." },
      { reasoningSignature: "signed" },
      { redactedReasoning: "hidden" },
      { text: "One " },
      { text: "moment." },
      { toolCall: { id: "call_1", name: "where", args: { exact: true }, chunks: 3 } },
    ],
    tools: [WHERE],
  },
  {
    name: "a file and a source",
    model: MODELS.google,
    steps: [
      { reasoning: "hm" },
      { text: "Here: " },
      { file: { mediaType: "image/png", data: "AAAA" } },
      { source: { url: "https://e.example/", title: "E" } },
      { text: "done" },
    ],
  },
  {
    name: "stopped inside a text",
    model: MODELS.compatible,
    steps: [{ reasoning: "hm" }, { text: "half" }, { stall: true }],
    stopAt: "half",
  },
  {
    name: "stopped inside a reasoning",
    model: MODELS.compatible,
    steps: [{ reasoning: "half" }, { stall: true }],
    stopAt: "half",
  },
  {
    name: "stopped inside the arguments of a call",
    model: MODELS.compatible,
    steps: [{ text: "One moment." }, HALF_A_CALL, { stall: true }],
    stopAt: "exact",
    tools: [WHERE],
  },
  {
    name: "failed inside a text",
    model: MODELS.compatible,
    steps: [{ text: "half" }, { cut: true }],
  },
  {
    name: "failed inside the arguments of a call",
    model: MODELS.compatible,
    steps: [HALF_A_CALL, { cut: true }],
  },
  {
    name: "a text that stayed empty",
    model: MODELS.anthropic,
    steps: [{ text: "" }, { toolCall: { id: "call_1", name: "look", args: {} } }],
  },
];

for (const scenario of SCENARIOS) {
  Deno.test(`live equals history: ${scenario.name}`, async (t) => {
    await using scripted = await startScripted({ script: { steps: scenario.steps } });
    const { chat, run } = await play(scripted, scenario);
    const read = async (path: string) =>
      await scripted.server.ask("GET", `/api/v2/chats/${chat}/${path}`);

    for (const client of Object.keys(UI_CLIENTS) as UiClient[]) {
      await t.step(client, async () => {
        const stream = await (await read(`stream?run=${run}&protocol=ui`)).bytes();
        const history = await (await read("messages?protocol=ui")).json();
        const { message } = await assembleUi(client, stream);
        assertEquals(asShownByUi(client, message), asShownByUi(client, history.at(-1)));
      });
    }

    await t.step("ai@4", async () => {
      const stream = await (await read(`stream?run=${run}&protocol=data`)).bytes();
      const history = await (await read("messages?protocol=data")).json();
      const { message } = await assembleV4(stream);
      assertEquals(asShownByV4(message), asShownByV4(history.at(-1) as Record<string, Json>));
    });
  });
}

Deno.test("live equals history: an answer that went on with a tool's result", async (t) => {
  const call = { toolCall: { id: "call_1", name: "where", args: {} } };
  await using scripted = await startScripted({
    script: [{ steps: [{ text: "One moment." }, call] }, { steps: [{ text: "At home." }] }],
  });
  const { chat } = await play(scripted, {
    name: "",
    model: MODELS.compatible,
    steps: [],
    tools: [WHERE],
  });
  const history = async (protocol: string) =>
    await (await scripted.server.ask("GET", `/api/v2/chats/${chat}/messages?protocol=${protocol}`))
      .json();
  const before = { ui: (await history("ui")).at(-1), data: (await history("data")).at(-1) };
  const answered = structuredClone(before);
  Object.assign(answered.ui.parts.at(-1), { state: "output-available", output: "home" });
  for (
    const call of [answered.data.parts.at(-1).toolInvocation, answered.data.toolInvocations[0]]
  ) {
    Object.assign(call, { state: "result", result: "home" });
  }
  const sent = await scripted.send(chat, "", { message: answered.ui, tools: [WHERE] });
  const run = sent.headers.get("parley-run-id")!;
  await sent.text();
  const stream = (protocol: string) => readStream(scripted, chat, run, protocol);

  for (const client of Object.keys(UI_CLIENTS) as UiClient[]) {
    await t.step(client, async () => {
      const { message } = await assembleUi(client, await stream("ui"), answered.ui);
      assertEquals(asShownByUi(client, message), asShownByUi(client, (await history("ui")).at(-1)));
    });
  }
  await t.step("ai@4", async () => {
    const { message } = await assembleV4(await stream("data"), answered.data);
    assertEquals(asShownByV4(message), asShownByV4((await history("data")).at(-1)));
  });
});

Deno.test("live equals history: a run that failed before its first word leaves nothing to show", async (t) => {
  await using scripted = await startScripted({ script: { steps: [{ cut: true }] } });
  const { chat, run } = await play(scripted, { name: "", model: MODELS.compatible, steps: [] });
  const history = await (await scripted.server.ask("GET", `/api/v2/chats/${chat}/messages`)).json();
  assertEquals(history.map(({ role }: { role: string }) => role), ["user"]);
  const stream = (protocol: string) => readStream(scripted, chat, run, protocol);
  for (const client of Object.keys(UI_CLIENTS) as UiClient[]) {
    await t.step(client, async () => {
      const { message } = await assembleUi(client, await stream("ui"));
      assertEquals(message["parts"], [{ type: "step-start" }]);
    });
  }
  await t.step("ai@4", async () => {
    const { message } = await assembleV4(await stream("data"));
    assertEquals(message["parts"], [{ type: "step-start" }]);
  });
});

async function readStream(scripted: Scripted, chat: string, run: string, protocol: string) {
  const path = `/api/v2/chats/${chat}/stream?run=${run}&protocol=${protocol}`;
  return await (await scripted.server.ask("GET", path)).bytes();
}

/** Runs the scenario to its end. */
async function play(scripted: Scripted, { model, tools, stopAt }: Scenario) {
  const chat = await scripted.chat();
  const sent = await scripted.send(chat, "Hello", { model, ...(tools && { tools }) });
  const run = sent.headers.get("parley-run-id")!;
  const reader = sent.body!.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (let asked = false;;) {
    const { value, done } = await reader.read();
    if (done) return { chat, run };
    text += value;
    if (asked || stopAt === undefined || !text.includes(stopAt)) continue;
    asked = true;
    await (await scripted.server.ask("POST", `/api/v2/chats/${chat}/stop`)).body?.cancel();
  }
}
