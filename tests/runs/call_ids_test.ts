/** Calls whose ids providers repeat: in each step, or within one. */
import { assertEquals } from "@std/assert";
import { MODELS, startScripted } from "../kit/scripted.ts";
import { testToolbox } from "../kit/toolbox.ts";
import { readFrames, UI } from "../kit/ui.ts";
import { answer, approvalsOf, follow, uiHistory } from "./approvals_kit.ts";

type Body = { messages?: { role: string }[]; contents?: { role: string }[] };

/** Steps so far: answers of the model that are in the request. */
function stepOf(body: unknown): number {
  const { messages, contents } = body as Body;
  return (messages ?? contents ?? [])
    .filter(({ role }) => role === "assistant" || role === "model").length;
}

for (const model of Object.values(MODELS)) {
  Deno.test(`${model}: an id that comes in each step names one call in the message`, async () => {
    const toolbox = testToolbox({ see: { run: ({ input }) => ({ output: `saw ${input["n"]}` }) } });
    await using scripted = await startScripted({
      toolbox,
      script: ({ body }) => {
        const n = stepOf(body);
        return n < 3
          ? {
            steps: [
              { toolCall: { id: "call_0", name: "test__see", args: { n } } },
              { finish: "tool-calls" },
            ],
          }
          : { steps: [{ text: "Done." }, { finish: "stop" }] };
      },
    });
    const chat = await scripted.chat();
    const frames = await readFrames(await scripted.send(chat, "Go", { model }, UI));
    const { parts } = (await uiHistory(scripted, chat)).at(-1)!;
    const calls = parts.filter(({ type }) => type === "dynamic-tool");
    assertEquals(calls.map(({ output }) => output), ["saw 0", "saw 1", "saw 2"]);
    const ids = calls.map(({ toolCallId }) => toolCallId);
    assertEquals(new Set(ids).size, 3);
    const shown = frames.filter(({ type }) => type === "tool-output-available");
    assertEquals(shown.map(({ toolCallId }) => toolCallId), ids);
  });

  Deno.test(`${model}: two calls of a step with one id both wait, and both run`, async () => {
    const ran: unknown[] = [];
    const toolbox = testToolbox(
      { act: { run: ({ input }) => ({ output: ran.push(input["n"]) }) } },
      [],
    );
    await using scripted = await startScripted({
      toolbox,
      script: ({ body }) =>
        stepOf(body) === 0
          ? {
            steps: [
              { toolCall: { id: "call_0", name: "test__act", args: { n: 1 } } },
              { toolCall: { id: "call_0", name: "test__act", args: { n: 2 } } },
              { finish: "tool-calls" },
            ],
          }
          : { steps: [{ text: "Done." }, { finish: "stop" }] },
    });
    const chat = await scripted.chat();
    await (await scripted.send(chat, "Go", { model })).text();
    const [first, second] = await approvalsOf(scripted);
    assertEquals((await answer(scripted, second!.id, { approved: true })).body.run, null);
    const { body } = await answer(scripted, first!.id, { approved: true });
    await follow(scripted, body.run);
    assertEquals(ran.toSorted(), [1, 2]);
    const { parts } = (await uiHistory(scripted, chat)).at(-1)!;
    const calls = parts.filter(({ type }) => type === "dynamic-tool");
    assertEquals(calls.map(({ state }) => state), ["output-available", "output-available"]);
  });
}
