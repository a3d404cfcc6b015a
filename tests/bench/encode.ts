/** The cost of encoding events, and of ten readers of a run compared with one. */
import { setImmediate } from "node:timers";
import type { RunEvent } from "../../src/domain/event.ts";
import { LongTurns } from "../../src/domain/turns.ts";
import { runStream } from "../../src/http/stream.ts";
import { RunStream } from "../../src/runs/run_stream.ts";
import { dataStream } from "../../src/wire/data_stream.ts";
import type { WireEncoder } from "../../src/wire/encoder.ts";
import { uiMessageStream } from "../../src/wire/ui_message_stream.ts";
import { quantile, say } from "./measure.ts";

/** The id of the encoded run. */
const RUN_ID = "3b66fb66-86ac-47c6-95aa-9ae31d233603";

const ENCODERS = { "data stream": dataStream, "UI message stream": uiMessageStream } as const;

const USAGE = {
  inputTokens: 900,
  outputTokens: 120,
  cachedTokens: 0,
  reasoningTokens: 20,
  estimated: false,
};

/** Measures both: the encoders alone, then runs with readers. */
export async function encode(): Promise<void> {
  costOfEvents();
  await costOfReaders();
}

/** Microseconds per event in a typical answer: nearly all of it text deltas. */
function costOfEvents(): void {
  say("encode, µs per event (target 3)", "", "p50", "p95");
  const pieces = deltas(5_000);
  for (const [name, encoder] of Object.entries(ENCODERS)) {
    for (const [kind, events] of [["pieces of text", pieces], ["all kinds", eachKind()]] as const) {
      const costs = rounds(200, () => timeOf(encoder, events));
      say(name, kind.padStart(12), quantile(costs, 0.5), quantile(costs, 0.95));
    }
  }
}

function timeOf(encoder: WireEncoder, events: readonly RunEvent[]): number {
  const begun = performance.now();
  let characters = 0;
  for (let seq = 0; seq < events.length; seq++) {
    characters += encoder.encode({ seq, event: events[seq]! }, RUN_ID).length;
  }
  const spent = performance.now() - begun;
  if (characters === 0) throw new Error("nothing was encoded");
  return spent * 1000 / events.length;
}

/**
 * Publishes groups as the log does, one per turn, to one reader and to ten. Measures the encoding, and
 * separately the total cost of delivering to that many streams.
 */
async function costOfReaders(): Promise<void> {
  say(
    "readers of a run, µs per event",
    "group",
    "1 reader",
    "10 readers",
    "times (1.5)",
    "handed on",
  );
  for (const [name, encoder] of Object.entries(ENCODERS)) {
    for (const group of [1, 20, 200]) {
      const one: Cost[] = [];
      const ten: Cost[] = [];
      for (let round = -5; round < 15; round++) {
        const costs = [await costOfRun(encoder, group, 1), await costOfRun(encoder, group, 10)];
        if (round < 0) continue;
        one.push(costs[0]!);
        ten.push(costs[1]!);
      }
      const median = (costs: Cost[], of: keyof Cost) =>
        quantile(costs.map((cost) => cost[of]), 0.5);
      const [first, tenth] = [median(one, "encoding"), median(ten, "encoding")];
      const handedOn = median(ten, "all") / median(one, "all");
      say(name, String(group).padStart(12), first, tenth, tenth / first, handedOn);
    }
  }
}

/** Microseconds per event. */
interface Cost {
  encoding: number;
  all: number;
}

async function costOfRun(encoder: WireEncoder, group: number, readers: number): Promise<Cost> {
  const groups = Math.ceil(20_000 / group);
  const identity = {
    id: "run",
    chatId: "chat",
    ownerId: "owner",
    messageId: "m",
    model: "x",
    protocol: "data",
    createdAt: 0,
  };
  const run = new RunStream(identity, () => Promise.reject(new Error("a reader fell behind")), {
    closed: false,
    head: 0,
  });
  let encoding = 0;
  const timed: WireEncoder = {
    ...encoder,
    encode(event, runId) {
      const begun = performance.now();
      const frame = encoder.encode(event, runId);
      encoding += performance.now() - begun;
      return frame;
    },
  };
  const options = {
    encoder: timed,
    after: 0,
    keepAliveMs: 60_000,
    onClose: () => {},
    turns: new LongTurns(),
  };
  const reading = Array.from({ length: readers }, () => drain(runStream(run, options)));
  const events = Array.from({ length: groups }, () => deltas(group));
  const begun = performance.now();
  for (let n = 1; n <= groups; n++) {
    run.publish(events[n - 1]!, n === groups);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  const sizes = await Promise.all(reading);
  const spent = performance.now() - begun;
  if (sizes.some((size) => size !== sizes[0])) throw new Error("the readers read different things");
  const count = groups * group;
  return { encoding: encoding * 1000 / count, all: spent * 1000 / count };
}

async function drain(stream: ReadableStream<Uint8Array>): Promise<number> {
  let size = 0;
  for await (const chunk of stream) size += chunk.length;
  return size;
}

function deltas(count: number): RunEvent[] {
  return Array.from(
    { length: count },
    (_, n) => ({ type: "text-delta", id: "text", text: ` word${n % 100}` }),
  );
}

/** One event of each kind, as in a step with a tool. */
function eachKind(): RunEvent[] {
  const call = { toolCallId: "call_1", toolName: "look" };
  const signed = { providerMetadata: { anthropic: { signature: "x".repeat(300) } } };
  return [
    { type: "start", messageId: "m", model: "x" },
    { type: "step-start", messageId: "m" },
    { type: "reasoning-start", id: "r" },
    { type: "reasoning-delta", id: "r", text: "Let me see." },
    { type: "reasoning-end", id: "r", ...signed },
    { type: "text-start", id: "t" },
    { type: "text-delta", id: "t", text: "One moment." },
    { type: "text-end", id: "t" },
    { type: "tool-input-start", ...call },
    { type: "tool-input-delta", toolCallId: "call_1", text: '{"path": "/src"}' },
    { type: "tool-input", ...call, input: { path: "/src", deep: true } },
    { type: "tool-output", toolCallId: "call_1", output: { files: ["a.ts", "b.ts", "c.ts"] } },
    { type: "source-url", sourceId: "s", url: "https://e.example/", title: "E" },
    { type: "step-finish", finishReason: "stop", usage: USAGE },
    { type: "finish", state: "completed", finishReason: "stop", usage: USAGE, model: "x" },
  ];
}

/** The results of that many rounds, after as many for warm-up. */
function rounds(count: number, run: () => number): number[] {
  for (let n = 0; n < count; n++) run();
  return Array.from({ length: count }, run);
}
