/**
 * The scripted provider as a program, for benchmarks:
 *
 *     deno run -A tests/kit/provider/main.ts --port 0 --deltas 100 --delay 0
 *
 * It prints "provider listens on URL" and serves until SIGINT or SIGTERM. If the last user message of
 * a request is a JSON object such as {"deltas":1000,"delayMs":20,"perWrite":1,"size":5}, it answers by
 * that plan, otherwise by the plan in the flags.
 */
import { parseArgs } from "node:util";
import { deltas, lastUserText, type Script, startProvider, type Step } from "./provider.ts";

/** How long an answer is and how fast it comes. */
interface Plan {
  deltas: number;
  /** Milliseconds before each write except the first. */
  delayMs: number;
  /** Deltas in one write. */
  perWrite: number;
  /** Letters in a delta. */
  size: number;
}

/** Chooses scripts by plan; equal plans share a script, which is rendered only once. */
function scriptsByPlan(standard: Plan): (userText: string) => Script {
  const scripts = new Map<string, Script>();
  return (userText) => {
    const plan = { ...standard, ...planIn(userText) };
    const key = JSON.stringify(plan);
    const script = scripts.get(key) ?? scriptOf(plan);
    scripts.set(key, script);
    return script;
  };
}

function planIn(userText: string): Partial<Plan> {
  if (!userText.startsWith("{")) return {};
  try {
    return JSON.parse(userText);
  } catch {
    return {};
  }
}

function scriptOf(plan: Plan): Script {
  const texts = deltas(plan.deltas, plan.size);
  const steps = plan.delayMs > 0 ? paced(texts, plan) : texts;
  return { steps, chunksPerWrite: plan.perWrite, prerender: true };
}

function paced(texts: Step[], plan: Plan): Step[] {
  return texts.flatMap((text, index) =>
    index > 0 && index % plan.perWrite === 0 ? [{ delay: plan.delayMs }, text] : [text]
  );
}

function planOfFlags(args: string[]): { plan: Plan; port: number; models: string[] } {
  const { values } = parseArgs({
    args,
    options: {
      port: { type: "string", default: "0" },
      deltas: { type: "string", default: "100" },
      delay: { type: "string", default: "0" },
      "per-write": { type: "string", default: "1" },
      size: { type: "string", default: "5" },
      models: { type: "string", default: "scripted" },
    },
  });
  const plan = {
    deltas: Number(values.deltas),
    delayMs: Number(values.delay),
    perWrite: Number(values["per-write"]),
    size: Number(values.size),
  };
  return { plan, port: Number(values.port), models: values.models.split(",") };
}

if (import.meta.main) {
  const { plan, port, models } = planOfFlags(Deno.args);
  const scriptFor = scriptsByPlan(plan);
  const provider = await startProvider({
    port,
    models,
    record: false,
    script: (request) => scriptFor(lastUserText(request.body)),
  });
  await Deno.stdout.write(new TextEncoder().encode(`provider listens on ${provider.url}\n`));
  const { promise: told, resolve } = Promise.withResolvers<void>();
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, resolve);
  await told;
  await provider.close();
  Deno.exit(0);
}
