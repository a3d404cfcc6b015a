/** Twenty ordinary users, a probe of `/healthz` and of memory, in a thread of their own. */
/// <reference lib="deno.worker" />
import { memoryOf, waitOf } from "./kit.ts";

/** What to watch. */
export interface Order {
  url: string;
  pid: number;
  /** The users' tokens. */
  tokens: string[];
}

/** What was seen; times in milliseconds. */
export interface Figures {
  /** The longest that `/healthz` waited for the process, and not for a core. */
  stall: number;
  /** The 99th percentile of the users' requests: to a first token, a list, a history. */
  p99: number;
  /** How many requests of users were served. */
  served: number;
  /** The peak of the resident memory, in MiB. */
  memory: number;
}

/** Between two questions of the probe, and the longest between two requests of a user, in milliseconds. */
const PROBE = 20;
const PAUSE = 300;

/** What a request counts that was refused or broken. */
const NOT_SERVED = 60_000;

let seen = { stall: 0, times: [] as number[], memory: 0 };
/** How long the probe's open question has waited; it counts although no answer has come yet. */
let waited: (() => number) | undefined;

self.onmessage = async ({ data }: MessageEvent<Order | "begin" | "end">) => {
  if (data === "begin") {
    seen = { stall: 0, times: [], memory: 0 };
  } else if (data === "end") {
    const { stall, times, memory } = seen;
    const sorted = times.toSorted((a, b) => a - b);
    const p99 = sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Infinity;
    const figures: Figures = {
      stall: Math.max(stall, waited?.() ?? 0),
      p99,
      served: times.length,
      memory,
    };
    self.postMessage(figures);
  } else {
    probe(data);
    await Promise.all(data.tokens.map((token) => use(data.url, token)));
    self.postMessage("ready");
  }
};

async function probe({ url, pid }: Order): Promise<void> {
  for (;;) {
    waited = waitOf(pid);
    await fetch(`${url}/healthz`).then((response) => response.arrayBuffer(), () => {});
    seen.stall = Math.max(seen.stall, waited());
    waited = undefined;
    seen.memory = Math.max(seen.memory, memoryOf(pid));
    await pause(PROBE);
  }
}

/** A user who has one answer after the other streamed, and reads chats and histories meanwhile. */
async function use(url: string, token: string): Promise<void> {
  const headers = { "coder-session-token": token, "content-type": "application/json" };
  const chats = `${url}/api/v2/chats`;
  const timed = async (path: string, body?: object): Promise<string> => {
    const begun = performance.now();
    const response = await fetch(path, {
      headers,
      ...(body && { method: "POST", body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(await response.text());
    const chunks = response.body!.pipeThrough(new TextDecoderStream());
    let text = "";
    for await (const chunk of chunks) {
      if (text === "") seen.times.push(performance.now() - begun);
      text += chunk;
    }
    return text;
  };
  const forever = async (round: () => Promise<unknown>) => {
    for (;;) {
      await round().catch(() => seen.times.push(NOT_SERVED));
      await pause(Math.random() * PAUSE);
    }
  };
  const { id } = JSON.parse(await timed(chats, { title: "A chat" }));
  forever(async () => {
    await timed(`${chats}/${id}/messages`, {
      message: { role: "user", content: "Hello" },
      model: "demo",
    });
  });
  forever(async () => {
    await timed(`${chats}/${id}/messages`);
    await timed(chats);
  });
}

function pause(ms: number): Promise<void> {
  return new Promise((done) => setTimeout(done, ms));
}
