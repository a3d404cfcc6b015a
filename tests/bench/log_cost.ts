/** The cost of the durable log: the same load on Parley with the log on and off. */
import { type Bed, makeBed, type Plan } from "./bed.ts";
import { cpuSeconds, quantile, say, timeToFirst } from "./measure.ts";

/** First tokens of each kind. */
const ROUNDS = 200;

/** Numbers of live runs: half of what the machine can do while it also runs the load, and all of it. */
const STREAMS = [100, 200];

/** Each stream has 50 deltas per second. */
const EVERY_MS = 20;
const PLAN: Plan = { deltas: 300, delayMs: EVERY_MS };

/** Between two starts, so that the benchmark measures live runs, not starting ones. */
const STAGGER_MS = 10;

/** How long to watch all of them, in milliseconds. */
const WINDOW_MS = 3_000;

/** How often to measure each kind; the best figure counts, since noise only adds. */
const TIMES = 5;

/** Measures both kinds alternately. */
export async function logCost(): Promise<void> {
  await using off = await makeBed({ log: false });
  await using on = await makeBed({ log: true });
  await firstTokens(off, on);
  for (const streams of STREAMS) await liveRuns(streams, off, on);
}

async function firstTokens(off: Bed, on: Bed): Promise<void> {
  const plan: Plan = { deltas: 3, delayMs: 5 };
  const kinds = [{ bed: off, times: [] as number[] }, { bed: on, times: [] as number[] }];
  for (let round = -50; round < ROUNDS; round++) {
    for (const { bed, times } of kinds) {
      const chat = await bed.parley.newChat();
      const time = await timeToFirst((onDeltas) => bed.parley.ask(chat, plan, onDeltas));
      if (round >= 0) times.push(time);
    }
  }
  say("cost of the log: first token, ms", "", "p50", "p99");
  const [without, with_] = kinds.map(({ times }) => times);
  row("log off", without!);
  row("log on", with_!);
  const added = (p: number) => quantile(with_!, p) - quantile(without!, p);
  say("added (target 0.5 at p50)", "", added(0.5), added(0.99));

  function row(name: string, times: number[]): void {
    say(name, "", quantile(times, 0.5), quantile(times, 0.99));
  }
}

/** The result of a window of steady load. */
interface Window {
  cpu: number;
  p50: number;
  p99: number;
}

async function liveRuns(streams: number, off: Bed, on: Bed): Promise<void> {
  // Warm up, so as not to measure compilation.
  for (const bed of [off, on]) await watch(bed, streams);
  const best = new Map<Bed, Window>();
  for (let time = 0; time < TIMES; time++) {
    for (const bed of [off, on]) {
      const window = await watch(bed, streams);
      best.set(bed, better(window, best.get(bed) ?? window));
    }
  }
  say(`${streams} live runs, 50/s each, 3 s`, "CPU s", "late p50 ms", "late p99 ms");
  const [without, with_] = [best.get(off)!, best.get(on)!];
  say("log off", without.cpu, without.p50, without.p99);
  say("log on", with_.cpu, with_.p50, with_.p99);
  say(
    "ratio / added (1.5 / 3 / 25)",
    with_.cpu / without.cpu,
    with_.p50 - without.p50,
    with_.p99 - without.p99,
  );
}

function better(one: Window, other: Window): Window {
  return {
    cpu: Math.min(one.cpu, other.cpu),
    p50: Math.min(one.p50, other.p50),
    p99: Math.min(one.p99, other.p99),
  };
}

/** Starts the streams one by one and watches for a while once all are live. */
async function watch(bed: Bed, streams: number): Promise<Window> {
  const chats = await Promise.all(Array.from({ length: streams }, () => bed.parley.newChat()));
  const deltas: { number: number; at: number }[][] = [];
  const reading: Promise<unknown>[] = [];
  for (const chat of chats) {
    const seen: (typeof deltas)[number] = [];
    deltas.push(seen);
    reading.push(bed.parley.ask(chat, PLAN, (count, at) => {
      for (let n = 0; n < count; n++) seen.push({ number: seen.length, at });
    }));
    await pause(STAGGER_MS);
  }
  const from = performance.now();
  const cpu = await cpuSeconds(bed.parley.pid);
  await pause(WINDOW_MS);
  const to = performance.now();
  const used = await cpuSeconds(bed.parley.pid) - cpu;
  await Promise.all(reading);
  const late = deltas.flatMap((seen) => lateness(seen.filter(({ at }) => at >= from && at < to)));
  return { cpu: used, p50: quantile(late, 0.5), p99: quantile(late, 0.99) };
}

/** How late each delta of a stream is, relative to the earliest one. */
function lateness(seen: { number: number; at: number }[]): number[] {
  const starts = seen.map(({ number, at }) => at - number * EVERY_MS);
  const start = Math.min(...starts);
  return starts.map((time) => time - start);
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
