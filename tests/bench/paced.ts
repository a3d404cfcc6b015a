import { type Bed, makeBed, type Plan } from "./bed.ts";
import { cpuSeconds, quantile, say } from "./measure.ts";
import type { OnDeltas } from "./reader.ts";

const PLAN: Plan = { deltas: 100, delayMs: 20 };

/** Paced streams of 50 deltas per second: the lateness of each delta, and the total time and CPU. */
export async function paced(): Promise<void> {
  say("paced 50/s, 2 s", "streams", "late p50 ms", "late p99 ms", "total s", "CPU s");
  for (const streams of [50, 200]) {
    await using bed = await makeBed();
    // Warm up, so as not to measure compilation.
    await run(bed, streams, false);
    report("provider directly", streams, await run(bed, streams, true));
    report("through Parley", streams, await run(bed, streams, false));
  }
}

interface Result {
  lateness: number[];
  seconds: number;
  cpu: number;
}

function report(name: string, streams: number, { lateness, seconds, cpu }: Result): void {
  say(name, String(streams), quantile(lateness, 0.5), quantile(lateness, 0.99), seconds, cpu);
}

async function run(bed: Bed, streams: number, directly: boolean): Promise<Result> {
  const chats = await Promise.all(Array.from({ length: streams }, () => bed.newChat()));
  const cpu = await cpuSeconds(bed.parley.pid);
  const begun = performance.now();
  const lateness: number[] = [];
  await Promise.all(chats.map(async (chat) => {
    let first = 0;
    let seen = 0;
    const onDeltas: OnDeltas = (count, at) => {
      first ||= at;
      for (let n = 0; n < count; n++) lateness.push(at - first - 20 * seen++);
    };
    await (directly ? bed.askDirectly(PLAN, onDeltas) : bed.ask(chat, PLAN, onDeltas));
    if (seen !== PLAN.deltas) throw new Error(`${seen} deltas`);
  }));
  return {
    lateness,
    seconds: (performance.now() - begun) / 1000,
    cpu: await cpuSeconds(bed.parley.pid) - cpu,
  };
}
