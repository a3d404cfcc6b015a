/** Runs with tools of the server, by each client's own code: what it shows at the end is the history. */
import { assertEquals } from "@std/assert";
import type { Json } from "../../src/domain/json.ts";
import { type Scripted, startScripted } from "../kit/scripted.ts";
import { testToolbox } from "../kit/toolbox.ts";
import { answer, answered, approvalsOf, uiHistory } from "../runs/approvals_kit.ts";
import { assembleUi, assembleV4, invalidUi, UI_CLIENTS, type UiClient } from "./clients.ts";
import { asShownByUi, asShownByV4 } from "./shown.ts";

type Message = Record<string, Json>;

const NEWEST = "ai@7.0.173";

/** A model that makes these calls step by step, with the same ids in each, and then speaks. */
async function startCalling(...steps: [name: string, args: unknown][][]): Promise<Scripted> {
  const toolbox = testToolbox({
    see: {
      run({ input }, _signal, progress) {
        progress({ at: "half" });
        return { output: { saw: input["n"] ?? null } };
      },
    },
    fail: { run: () => ({ errorText: "out of paper" }) },
    burn: { run: () => ({ output: "never" }) },
    act: { run: () => ({ output: "acted" }) },
  }, [
    { match: "*", action: "allow" },
    { match: "test__burn", action: "deny" },
    { match: "test__act", action: "ask" },
  ]);
  return await startScripted({
    toolbox,
    script: ({ body }) => {
      const { messages } = body as { messages: { role: string }[] };
      const calls = steps[messages.filter(({ role }) => role === "assistant").length];
      return {
        steps: calls
          ? [
            { text: "Hm. " },
            ...calls.map(([name, args], at) => ({
              toolCall: { id: `call_${at}`, name: `test__${name}`, args },
            })),
            { finish: "tool-calls" },
          ]
          : [{ text: "Done." }, { finish: "stop" }],
      };
    },
  });
}

async function last(scripted: Scripted, chat: string, protocol: string): Promise<Message> {
  const path = `/api/v2/chats/${chat}/messages?protocol=${protocol}`;
  return (await (await scripted.server.ask("GET", path)).json()).at(-1);
}

async function streamOf(scripted: Scripted, chat: string, run: string, protocol: string) {
  const path = `/api/v2/chats/${chat}/stream?run=${run}&protocol=${protocol}`;
  return await (await scripted.server.ask("GET", path)).bytes();
}

async function compare(
  t: Deno.TestContext,
  scripted: Scripted,
  { chat, run, before, clients = Object.keys(UI_CLIENTS) as UiClient[] }: {
    chat: string;
    run: string;
    before?: { ui: object; data: object };
    clients?: UiClient[];
  },
): Promise<void> {
  for (const client of clients) {
    await t.step(client, async () => {
      const stream = await streamOf(scripted, chat, run, "ui");
      const { message, error } = await assembleUi(client, stream, before?.ui);
      assertEquals(error, undefined);
      const shown = await last(scripted, chat, "ui");
      assertEquals(asShownByUi(client, message), asShownByUi(client, shown));
      assertEquals(await invalidUi(client, shown), undefined);
    });
  }
  await t.step("ai@4", async () => {
    const stream = await streamOf(scripted, chat, run, "data");
    const { message, error } = await assembleV4(stream, before?.data);
    assertEquals(error, undefined);
    assertEquals(asShownByV4(message), asShownByV4(await last(scripted, chat, "data")));
  });
}

Deno.test("calls that succeed, fail and are denied, with ids that repeat", async (t) => {
  await using scripted = await startCalling(
    [["see", { n: 1 }], ["fail", {}], ["burn", {}], ["nothing", { a: 1 }]],
    [["see", { n: 2 }], ["see", [1]]],
    [["see", { n: 3 }]],
  );
  const chat = await scripted.chat();
  const sent = await scripted.send(chat, "Go");
  await sent.text();
  await compare(t, scripted, { chat, run: sent.headers.get("parley-run-id")! });
});

Deno.test("an answer that waits, and goes on with a yes and a no", async (t) => {
  await using scripted = await startCalling(
    [["see", { n: 1 }]],
    [["act", { n: 2 }], ["see", { n: 3 }], ["act", { n: 4 }]],
    [["see", { n: 5 }]],
  );
  const chat = await scripted.chat();
  const sent = await scripted.send(chat, "Go");
  await sent.text();
  const first = sent.headers.get("parley-run-id")!;
  // AI SDK 5 does not know approvals.
  await compare(t, scripted, { chat, run: first, clients: [NEWEST] });
  const message = (await uiHistory(scripted, chat)).at(-1)!;
  const data = await last(scripted, chat, "data");
  const [yes, no] = await approvalsOf(scripted);
  await answer(scripted, no!.id, { approved: false });
  const { body } = await answer(scripted, yes!.id, { approved: true });
  const run: string = body.run.id;
  await streamOf(scripted, chat, run, "ui");
  const ui = answered(message, true);
  for (const part of ui.parts) {
    const approval = part["approval"] as { id: string } | undefined;
    if (approval?.id === no!.id) part["approval"] = { id: no!.id, approved: false };
  }
  await compare(t, scripted, { chat, run, before: { ui, data }, clients: [NEWEST] });
});
