import { type Bed, makeBed, type Plan } from "./bed.ts";
import { cpuSeconds, say } from "./measure.ts";

/** Chunks per second and CPU per chunk, through Parley and directly from the provider. */
export async function throughput(): Promise<void> {
  say("throughput", "streams", "chunks/s", "CPU us/chunk");
  for (const streams of [1, 32]) {
    await using bed = await makeBed();
    const plan: Plan = { deltas: streams === 1 ? 60_000 : 4_000, perWrite: 20 };
    await load(bed, Math.min(streams, 4), { ...plan, deltas: 2_000 }, false);
    const direct = await load(bed, streams, plan, true);
    const through = await load(bed, streams, plan, false);
    say("provider directly", String(streams), direct.perSecond);
    say("through Parley (target 45,000; 22)", String(streams), through.perSecond, through.cpu);
  }
}

async function load(bed: Bed, streams: number, plan: Plan, directly: boolean) {
  const chats = await Promise.all(Array.from({ length: streams }, () => bed.newChat()));
  const cpu = await cpuSeconds(bed.parley.pid);
  const begun = performance.now();
  const counts = await Promise.all(
    chats.map((chat) => directly ? bed.askDirectly(plan) : bed.ask(chat, plan)),
  );
  const seconds = (performance.now() - begun) / 1000;
  const chunks = counts.reduce((sum, count) => sum + count, 0);
  if (chunks !== streams * plan.deltas) throw new Error(`${chunks} of ${streams * plan.deltas}`);
  return {
    perSecond: chunks / seconds,
    cpu: (await cpuSeconds(bed.parley.pid) - cpu) / chunks * 1e6,
  };
}
