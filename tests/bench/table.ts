/**
 * The table of speed: the same work on the provider alone, on a plain Go server and on Parley, in turn in one
 * run. Figures are medians of the rounds, with the lowest and highest in brackets. If `PARLEY_BIN` is an
 * executable, its start is measured, too.
 */
import {
  HEADERS,
  type ParleySubject,
  type Plan,
  type Provider,
  startBinary,
  startParley,
  startPeer,
  startProvider,
  type Subject,
} from "./bed.ts";
import { cpuSeconds, quantile, residentMiB, timeToFirst } from "./measure.ts";
import { GetClient, type OnDeltas } from "./reader.ts";

const ROUNDS = 5;

/** Asks for an answer by the plan in a chat that is new. */
type Ask = (plan: Plan, onDeltas?: OnDeltas) => Promise<number>;

/** What is measured: a server, or the provider alone. */
interface Target {
  name: string;
  /** Gives `count` ways to ask, each with a chat of its own. */
  open(count: number): Promise<Ask[]>;
  /** The server, unless this is the provider alone. */
  server?: Subject;
}

/** Some figures of one kind of work. */
interface Work {
  /** The names of the figures, with their targets. */
  figures: [name: string, target: string][];
  /** Measures them once; NaN for what the target does not have. */
  measure(target: Target): Promise<number[]>;
  /** True if what the provider alone takes is subtracted. */
  isAdded?: boolean;
}

/** Prints the table, work by work. */
export async function table(): Promise<void> {
  await using provider = await startProvider();
  await using peer = await startPeer(provider);
  await using parley = await startParley(provider);
  const targets = [alone(provider), target(peer), target(parley)];
  print(["", ...targets.map(({ name }) => name), "Parley's target"]);
  for (const work of WORKS) await report(work, targets);
  await reportStart("source", () => startParley(provider));
  const program = Deno.env.get("PARLEY_BIN");
  if (program) await reportStart("binary", () => startBinary(program, provider));
  const servers = async () => [await startPeer(provider), await startParley(provider)];
  await reportMemory(servers);
}

function alone(provider: Provider): Target {
  const ask: Ask = (plan, onDeltas) => provider.ask(plan, onDeltas);
  return { name: "The provider", open: (count) => Promise.resolve(Array(count).fill(ask)) };
}

function target(server: Subject): Target {
  const open = async (): Promise<Ask> => {
    const chat = await server.newChat();
    return (plan, onDeltas) => server.ask(chat, plan, onDeltas);
  };
  return {
    name: server.name,
    server,
    open: (count) => Promise.all(Array.from({ length: count }, open)),
  };
}

const WORKS: Work[] = [
  {
    figures: [["first token added, p50, ms", "1.5"], ["the same, p99", "6"]],
    isAdded: true,
    async measure({ open }) {
      const times: number[] = [];
      for (let n = 0; n < 100; n++) {
        const [ask] = await open(1);
        times.push(await timeToFirst((onDeltas) => ask!({ deltas: 3, delayMs: 5 }, onDeltas)));
      }
      return [quantile(times, 0.5), quantile(times, 0.99)];
    },
  },
  {
    figures: [["chunks/s, one stream of 2,000", "100,000"]],
    measure: async (target) => [(await load(target, 1, 2_000)).perSecond],
  },
  {
    figures: [["chunks/s, 32 streams of 500", "75,000"], ["CPU a chunk, µs", "14"]],
    async measure(target) {
      const { perSecond, cpu } = await load(target, 32, 500);
      return [perSecond, cpu];
    },
  },
  {
    figures: [
      ["50 streams of 50/s: late, p50, ms", "1.5"],
      ["the same, p99", "12"],
      ["CPU a chunk, µs", "120"],
    ],
    async measure(target) {
      const { lateness, cpu } = await pacedLoad(target, 50);
      return [quantile(lateness, 0.5), quantile(lateness, 0.99), cpu];
    },
  },
  {
    figures: [["200 streams of 50/s: total, s", "2.3"], ["the same: late, p50, ms", "5"]],
    async measure(target) {
      const { lateness, seconds } = await pacedLoad(target, 200);
      return [seconds, quantile(lateness, 0.5)];
    },
  },
  {
    figures: [["list of 50 chats, c = 16, requests/s", "4,000"]],
    measure: async ({ server }) => [server ? await listsPerSecond(server) : NaN],
  },
];

/** Measures a work in rounds, the targets in turn, and prints its rows. */
async function report({ figures, measure, isAdded }: Work, targets: Target[]): Promise<void> {
  const samples: number[][][] = targets.map(() => []);
  for (let round = -1; round < ROUNDS; round++) {
    for (const [index, target] of targets.entries()) {
      const sample = await measure(target);
      // The first round warms up.
      if (round >= 0) samples[index]!.push(sample);
    }
  }
  figures.forEach(([name, wanted], at) => {
    const cells = samples.map((rounds, index) => {
      const base = isAdded && index > 0 ? median(samples[0]!.map((round) => round[at]!)) : 0;
      return spread(rounds.map((round) => round[at]! - base));
    });
    print([name, ...cells, wanted]);
  });
}

/** Runs streams as fast as they go, several times, for the CPU clock is coarse. */
async function load({ open, server }: Target, streams: number, deltas: number) {
  const before = server ? await cpuSeconds(server.pid) : NaN;
  let [chunks, seconds] = [0, 0];
  while (seconds < 0.5) {
    const asks = await open(streams);
    const begun = performance.now();
    const counts = await Promise.all(asks.map((ask) => ask({ deltas, perWrite: 20 })));
    seconds += (performance.now() - begun) / 1000;
    chunks += counts.reduce((sum, count) => sum + count, 0);
  }
  const used = server ? await cpuSeconds(server.pid) - before : NaN;
  return { perSecond: chunks / seconds, cpu: used / chunks * 1e6 };
}

/** Runs streams of 50 deltas per second for two seconds. */
async function pacedLoad({ open, server }: Target, streams: number) {
  const every = 20;
  const plan: Plan = { deltas: 100, delayMs: every };
  const asks = await open(streams);
  const before = server ? await cpuSeconds(server.pid) : NaN;
  const begun = performance.now();
  const streamed = await Promise.all(asks.map(async (ask) => {
    const starts: number[] = [];
    await ask(plan, (count, at) => {
      for (let n = 0; n < count; n++) starts.push(at - every * starts.length);
    });
    if (starts.length !== plan.deltas) throw new Error(`${starts.length} deltas`);
    return starts;
  }));
  // Late is what comes later than the earliest of its stream would have it.
  const lateness = streamed.flatMap((starts) => {
    const start = Math.min(...starts);
    return starts.map((time) => time - start);
  });
  const seconds = (performance.now() - begun) / 1000;
  const used = server ? await cpuSeconds(server.pid) - before : NaN;
  return { lateness, seconds, cpu: used / (streams * plan.deltas) * 1e6 };
}

/** Lists the newest 50 chats, 16 requests at a time. */
async function listsPerSecond(server: Subject): Promise<number> {
  const begun = performance.now();
  const end = begun + 1_500;
  let count = 0;
  await Promise.all(Array.from({ length: 16 }, async () => {
    using client = await GetClient.connect(`${server.url}/api/v2/chats?limit=50`, HEADERS);
    for (; performance.now() < end; count++) await client.get();
  }));
  return count / (performance.now() - begun) * 1000;
}

/** How long it takes from a fresh process, with a new database, to its first token. */
async function reportStart(of: string, start: () => Promise<ParleySubject>): Promise<void> {
  const times: number[] = [];
  for (let round = -1; round < ROUNDS; round++) {
    const begun = performance.now();
    await using parley = await start();
    const chat = await parley.newChat();
    const open = performance.now() - begun;
    const first = await timeToFirst((onDeltas) => parley.ask(chat, { deltas: 3 }, onDeltas));
    if (round >= 0) times.push(open + first);
  }
  print([`start to first answer, ${of}, ms`, "–", "–", spread(times), "120"]);
}

/** Memory of fresh processes: idle, and what each stream adds that waits for a slow model. */
async function reportMemory(start: () => Promise<Subject[]>): Promise<void> {
  const OPEN = 200;
  const rounds: { idle: number; streams: number }[][] = [];
  for (let round = 0; round < 3; round++) {
    const samples = [];
    for (const server of await start()) {
      await server.newChat();
      await new Promise((resolve) => setTimeout(resolve, 1_000));
      const idle = await residentMiB(server.pid);
      // What is loaded and compiled for a first answer is not a stream's.
      for (let n = 0; n < 20; n++) await server.ask(await server.newChat(), { deltas: 20 });
      const warm = await residentMiB(server.pid);
      for (let n = 0; n < OPEN; n++) {
        const chat = await server.newChat();
        await new Promise<void>((resolve) => {
          // The server ends before this stream does.
          server.ask(chat, { deltas: 2, delayMs: 60_000 }, () => resolve()).catch(() => {});
        });
      }
      const streams = (await residentMiB(server.pid) - warm) * 1_000 / OPEN;
      samples.push({ idle, streams });
      await server[Symbol.asyncDispose]();
    }
    rounds.push(samples);
  }
  const cells = (of: (sample: { idle: number; streams: number }) => number) =>
    [0, 1].map((index) => spread(rounds.map((round) => of(round[index]!))));
  print(["idle memory, MiB", "–", ...cells(({ idle }) => idle), "80"]);
  print(["MiB per 1,000 open streams", "–", ...cells(({ streams }) => streams), "150"]);
}

function median(values: number[]): number {
  return quantile(values, 0.5);
}

/** The median of some values, with the lowest and the highest. */
function spread(values: number[]): string {
  if (values.some(Number.isNaN)) return "–";
  const shown = (value: number) =>
    Math.abs(value) >= 1_000
      ? Math.round(value).toLocaleString("en")
      : value.toFixed(Math.abs(value) < 100 ? 1 : 0);
  return `${shown(median(values))} (${shown(Math.min(...values))} to ${
    shown(Math.max(...values))
  })`;
}

function print(cells: string[]): void {
  const text = cells.map((cell, index) => cell.padEnd(index === 0 ? 38 : 30)).join("").trimEnd();
  Deno.stdout.writeSync(new TextEncoder().encode(`${text}\n`));
}
