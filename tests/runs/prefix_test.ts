/** P10: each request to a model repeats the last one up to what is new, with tools and over restarts. */
import { assert, assertEquals } from "@std/assert";
import { type ScriptedProvider, startProvider } from "../kit/provider/provider.ts";
import { MODELS, type Scripted, startScripted } from "../kit/scripted.ts";
import { testToolbox } from "../kit/toolbox.ts";
import { answer, approvalsOf, follow } from "./approvals_kit.ts";

const TURNS = 30;

/** A model that in each turn reads, then acts or does not, then speaks. */
function script(provider: ScriptedProvider): void {
  provider.script(({ body }) => {
    const { messages } = body as { messages: { role: string; content: string }[] };
    const last = messages.findLastIndex(({ role }) => role === "user");
    const step = messages.slice(last).filter(({ role }) => role === "assistant").length;
    const n = messages.slice(0, last + 1).filter(({ role }) => role === "user").length;
    const names = n % 3 === 0 ? ["test__see", "test__act"] : n % 3 === 1 ? ["test__see"] : [];
    const name = names[step];
    if (name === undefined) return { steps: [{ text: `Turn ${n}.` }, { finish: "stop" as const }] };
    return {
      steps: [
        { text: "Let me see. " },
        { toolCall: { id: `call_${n}_${step}`, name, args: { n, step } } },
        { finish: "tool-calls" as const },
      ],
    };
  });
}

for (const model of [MODELS.compatible, MODELS.anthropic]) {
  Deno.test(`thirty turns of ${model} with tools, approvals and restarts repeat what was sent`, async () => {
    const dataDir = await Deno.makeTempDir();
    await using provider = disposable(await startProvider());
    script(provider.value);
    const toolbox = testToolbox({
      see: { readOnly: true, run: ({ input }) => ({ output: { seen: input["n"]! } }) },
      act: { run: ({ input }) => ({ output: `acted on ${input["n"]}` }) },
    }, []);
    const open = () => startScripted({ provider: provider.value, dataDir, toolbox });
    let scripted = await open();
    const chat = await scripted.chat();
    for (let turn = 1; turn <= TURNS; turn++) {
      await (await scripted.send(chat, `Question ${turn}`, { model })).text();
      await approveAll(scripted);
      if (turn % 7 !== 0) continue;
      await scripted.server.stop();
      scripted = await open();
    }
    await scripted.server.stop();
    const bodies = provider.value.requests.map(({ body }) => body as { messages: unknown[] });
    assert(bodies.length > TURNS * 5 / 3, `${bodies.length} requests`);
    if (model === MODELS.anthropic) {
      // It caches only what it is told to.
      assertEquals((bodies[0] as { cache_control?: unknown }).cache_control, { type: "ephemeral" });
    }
    for (const [index, body] of bodies.slice(1).entries()) {
      const { messages: before, ...restBefore } = bodies[index]!;
      const { messages, ...rest } = body;
      assertEquals(
        JSON.stringify(messages.slice(0, before.length)),
        JSON.stringify(before),
      );
      assertEquals(JSON.stringify(rest), JSON.stringify(restBefore));
    }
    await Deno.remove(dataDir, { recursive: true });
  });
}

async function approveAll(scripted: Scripted): Promise<void> {
  for (const { id } of await approvalsOf(scripted)) {
    const { body } = await answer(scripted, id, { approved: true });
    await follow(scripted, body.run);
  }
}

function disposable(provider: ScriptedProvider) {
  return { value: provider, [Symbol.asyncDispose]: () => provider.close() };
}
