/** What the tests with many runs at once share. */
import { type Client, createClient, type Row } from "@libsql/client";
import { type Clock, systemClock } from "../../src/domain/clock.ts";
import type { TestServer } from "../kit/parley.ts";
import { actionsOf } from "../kit/provider/actions.ts";
import { anthropic } from "../kit/provider/anthropic.ts";
import { google } from "../kit/provider/google.ts";
import { openaiChat } from "../kit/provider/openai_chat.ts";
import { openaiResponses } from "../kit/provider/openai_responses.ts";
import type { RecordedRequest, Step } from "../kit/provider/provider.ts";

/** Does jobs 0 to `count - 1`, `width` of them at once; the first failure ends it. */
export async function inParallel(
  count: number,
  width: number,
  job: (index: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    while (next < count) await job(next++);
  };
  await Promise.all(Array.from({ length: width }, worker));
}

/** How numbers spread. */
export interface Spread {
  p50: number;
  p99: number;
  max: number;
}

/** How these numbers spread; zeros where there are none. */
export function spreadOf(numbers: readonly number[]): Spread {
  const sorted = numbers.toSorted((a, b) => a - b);
  const at = (share: number) =>
    sorted[Math.min(sorted.length - 1, Math.ceil(share * sorted.length) - 1)] ?? 0;
  return { p50: at(0.5), p99: at(0.99), max: sorted.at(-1) ?? 0 };
}

/** Rejects where `promise` has not settled after `ms`: a test that hangs must say what hung. */
export async function within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
  const over = new AbortController();
  const late = systemClock.sleep(ms, over.signal).then(() => {
    throw new Error(`${what}: nothing came for ${ms} ms`);
  });
  late.catch(() => {});
  try {
    return await Promise.race([promise, late]);
  } finally {
    over.abort();
  }
}

/** Real time, but for the waits between two tries of a provider: those are over at once. */
export class HastyClock implements Clock {
  /** Called when a run waits to try again. */
  onBackoff: () => Promise<void> | void = () => {};

  now = systemClock.now;

  elapsed = systemClock.elapsed;

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    // The stall watch, the deadline and the upkeep sleep for a minute or more.
    if (ms > 2_000) return await systemClock.sleep(ms, signal);
    await this.onBackoff();
    await systemClock.sleep(1, signal);
  }
}

/** The mark in a message by which its requests are found: `#17` at its end. */
export function markOf(text: string): string {
  return /#\w+$/.exec(text)?.[0] ?? "";
}

/** A place in a script that tells when the provider has come to it, and that nothing leaves. */
export class Standstill implements PromiseLike<never> {
  readonly #reached = Promise.withResolvers<void>();
  /** Resolves when the provider stands here, all before it being sent. */
  readonly reached = this.#reached.promise;

  then<A, B>(): Promise<A | B> {
    this.#reached.resolve();
    return new Promise(() => {});
  }
}

const DIALECTS = { chat: openaiChat, responses: openaiResponses, anthropic, google };

/** An answer as the bytes that go over the wire. */
export interface Recorded {
  /** What comes before the first step, whatever that is. */
  start: number;
  /** Where each step ends. */
  ends: number[];
  bytes: Uint8Array;
}

/** The bytes of the answer to `request` that these steps make. */
export function recorded(
  steps: readonly Step[],
  request: Pick<RecordedRequest, "dialect" | "model" | "body" | "number">,
): Recorded {
  const asked = { ...request, dialect: DIALECTS[request.dialect], streaming: true };
  const bytesOf = (steps: readonly Step[]) => {
    const sent = actionsOf({ steps }, asked).flatMap((action) =>
      "send" in action ? [action.send] : []
    );
    return sent.flatMap((bytes) => [...bytes]);
  };
  const upTo = (count: number) => bytesOf([...steps.slice(0, count), { end: true }]).length;
  const ends = steps.map((_, index) => upTo(index + 1));
  return { start: upTo(0), ends, bytes: new Uint8Array(bytesOf(steps)) };
}

/** The steps that send the first `length` bytes of a recorded answer and no more. */
export function firstBytes({ start, bytes }: Recorded, length: number): Step[] {
  return length <= start ? [] : [{ raw: bytes.slice(start, length) }];
}

/** When the provider was done with a request, be its connection closed or kept for the next. */
export async function leftAt(request: RecordedRequest): Promise<number> {
  const outcome = await request.ended;
  return outcome === "complete" ? request.endedAt! : await request.closed;
}

/** Rows of a server's database, read by another client of it. */
export async function rowsOf(dataDir: string, sql: string): Promise<Row[]> {
  const client: Client = createClient({ url: `file:${dataDir}/parley.db`, intMode: "number" });
  try {
    return (await client.execute(sql)).rows;
  } finally {
    client.close();
  }
}

/** How the runs of a server ended, out of its log. */
export class Ends {
  readonly #server: TestServer;
  readonly #byRun = new Map<string, { state: string; failure?: string }>();
  #read = 0;

  constructor(server: TestServer) {
    this.#server = server;
  }

  /** How that run ended; fails where it has not. */
  of(run: string): { state: string; failure?: string } {
    const { logged } = this.#server;
    while (this.#read < logged.length) {
      const line = JSON.parse(logged[this.#read++]!);
      if (line.message === "run") this.#byRun.set(line.run, line);
    }
    const end = this.#byRun.get(run);
    if (!end) throw new Error(`the log has no end of the run ${run}`);
    return end;
  }
}
