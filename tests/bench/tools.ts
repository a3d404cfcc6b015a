/** What the loop adds between two steps: the same calls through Parley, and by a bare client. */
import { startProvider } from "../kit/provider/provider.ts";
import { type Scripted, startScripted } from "../kit/scripted.ts";
import { testToolbox } from "../kit/toolbox.ts";
import { quantile, say } from "./measure.ts";

/** Steps of a run, runs of a kind that count, and runs before them. */
const STEPS = 30;
const RUNS = 20;
const WARM_UP = 5;

/** The times at which the model was asked, of the run that is going on. */
let asked: number[] = [];

/** Measures both kinds of tools alternately with the bare client. */
export async function tools(): Promise<void> {
  const provider = await startProvider({ record: false });
  provider.script(({ body }) => {
    asked.push(performance.now());
    const { messages } = body as { messages: { role: string; content: string }[] };
    const name = messages.findLast(({ role }) => role === "user")!.content;
    if (asked.length > STEPS) return { steps: [{ text: "Done." }, { finish: "stop" as const }] };
    const id = `call_${asked.length}`;
    const toolCall = { id, name, args: { n: asked.length } };
    return { steps: [{ toolCall }, { finish: "tool-calls" as const }] };
  });
  const result = { run: () => ({ output: "done" }) };
  const toolbox = testToolbox({ see: { ...result, readOnly: true }, act: result });
  await using scripted = await startScripted({
    provider,
    toolbox,
    env: { PARLEY_TOOL_STEPS: "1000" },
  });
  const kinds = {
    "a bare client (the limit)": () => bare(provider.base.openai),
    "Parley, a tool that reads": () => run(scripted, "test__see"),
    "Parley, a tool that acts": () => run(scripted, "test__act"),
  };
  const times = new Map<string, number[]>(Object.keys(kinds).map((name) => [name, []]));
  for (let round = -WARM_UP; round < RUNS; round++) {
    for (const [name, measure] of Object.entries(kinds)) {
      asked = [];
      await measure();
      const between = asked.slice(1).map((at, index) => at - asked[index]!);
      if (round >= 0) times.get(name)!.push(...between);
    }
  }
  say("between two steps, ms", "", "p50", "p99");
  const of = (name: string, p: number) => quantile(times.get(name)!, p);
  const [limit, ...others] = Object.keys(kinds);
  say(limit!, "", of(limit!, 0.5), of(limit!, 0.99));
  for (const name of others) say(name, "", of(name, 0.5), of(name, 0.99));
  for (const name of others) {
    const added = (p: number) => of(name, p) - of(limit!, p);
    say(`added: ${name.slice(8)} (target 3)`, "", added(0.5), added(0.99));
  }
  await provider.close();
}

async function run(scripted: Scripted, tool: string): Promise<void> {
  await (await scripted.send(await scripted.chat(), tool)).text();
}

/** Asks again as soon as an answer is there. */
async function bare(base: string): Promise<void> {
  const messages: object[] = [{ role: "user", content: "test__see" }];
  for (let step = 0; step <= STEPS; step++) {
    const response = await fetch(`${base}/chat/completions`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ model: "scripted", stream: true, messages }),
    });
    await response.text();
    const call = { id: `call_${step + 1}`, type: "function" };
    messages.push({ role: "assistant", tool_calls: [call] });
    messages.push({ role: "tool", tool_call_id: call.id, content: "done" });
  }
}
