/**
 * Long chats: how long sending to one, or reading it, stops the event loop, and what a send to one waits
 * for its first token beyond a send to an empty chat.
 */
import { createClient, type InStatement } from "@libsql/client";
import { type Bed, HEADERS, makeBed, type Plan } from "./bed.ts";

import { quantile, say, timeToFirst } from "./measure.ts";
import type { OnDeltas } from "./reader.ts";

/** A chat's messages, and the characters of each. */
const SHAPES = [[4_000, 100], [4_000, 2_000], [400, 20_000]] as const;

/** The models: one that costs nothing, and one behind HTTP, whose prompt is built and sent by the SDK. */
const MODELS = ["demo", "scripted"] as const;

const ROUNDS = 30;

/** How long the probe gets to start, in milliseconds. */
const WARM_UP = 300;
const PLAN: Plan = { deltas: 3 };

/** Measures all shapes with all models. */
export async function longChat(): Promise<void> {
  await using bed = await makeBed();
  for (const model of MODELS) {
    await bed.parley.ask(await bed.parley.newChat(), PLAN, () => {}, model);
  }
  say("long chats, ms", "read stall", "first send", "later sends", "added p50", "added p99");
  for (const [messages, characters] of SHAPES) {
    const shape = `${messages} of ${characters} characters`;
    for (const model of MODELS) {
      const chat = await longChatOf(bed, messages, characters);
      const send = () => bed.parley.ask(chat, PLAN, () => {}, model);
      const read = await stallOf(bed, async () => {
        const path = `/api/v2/chats/${chat}/messages`;
        const response = await fetch(bed.parley.url + path, { headers: HEADERS });
        for await (const _ of response.body!) continue;
      });
      const first = await stallOf(bed, send);
      const later = await stallOf(bed, send);
      const added = await addedBy(async (isLong) => {
        const asked = isLong ? chat : await bed.parley.newChat();
        return (onDeltas) => bed.parley.ask(asked, PLAN, onDeltas, model);
      });
      say(`${shape}, ${model}`, read, first, later, ...added);
    }
    const content = textOf(characters);
    const history = Array.from(
      { length: messages },
      (_, index) => ({ role: roleOf(index), content }),
    );
    const added = await addedBy((isLong) => (onDeltas) =>
      bed.provider.ask(PLAN, onDeltas, isLong ? history : [])
    );
    say(`${shape}, without Parley: added`, ...added);
  }
}

type Ask = (onDeltas: OnDeltas) => Promise<unknown>;

/** First tokens of a long chat, each less that of an empty chat asked right before: p50 and p99. */
async function addedBy(asking: (isLong: boolean) => Ask | Promise<Ask>): Promise<[number, number]> {
  const added: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const base = await timeToFirst(await asking(false));
    added.push(await timeToFirst(await asking(true)) - base);
  }
  return [quantile(added, 0.5), quantile(added, 0.99)];
}

function roleOf(index: number): string {
  return index % 2 === 0 ? "user" : "assistant";
}

function textOf(characters: number): string {
  const line = "All work and no play makes a long chat. ";
  return line.repeat(Math.ceil(characters / line.length)).slice(0, characters);
}

/**
 * The longest that `/healthz` gave no answer while `work` was done, in milliseconds. A thread of its own
 * asks, because reading the answer keeps this one busy.
 */
async function stallOf(bed: Bed, work: () => Promise<unknown>): Promise<number> {
  const probe = new Worker(new URL("stall_probe.ts", import.meta.url), { type: "module" });
  probe.postMessage(`${bed.parley.url}/healthz`);
  await new Promise((resolve) => setTimeout(resolve, WARM_UP));
  await work();
  const longest = new Promise<number>((resolve) => {
    probe.onmessage = ({ data }) => resolve(data);
  });
  probe.postMessage("done");
  return await longest.finally(() => probe.terminate());
}

/** A chat with that many messages, written into the database beside the server. */
async function longChatOf(bed: Bed, messages: number, characters: number): Promise<string> {
  const chat = await bed.parley.newChat();
  const client = createClient({ url: `file:${bed.parley.dataDir}/parley.db` });
  const parts = JSON.stringify([{ type: "text", text: textOf(characters) }]);
  const rows = Array.from({ length: messages }, (_, index): InStatement => ({
    sql: `INSERT INTO messages
            (key, chat_id, id, parent_key, role, parts, metadata, status, created_at)
          VALUES (?, ?, ?, ?, ?, ?, '{}', 'completed', ?)`,
    args: [
      `${chat}:${index}`,
      chat,
      `message-${index}`,
      index === 0 ? null : `${chat}:${index - 1}`,
      roleOf(index),
      parts,
      Date.now(),
    ],
  }));
  await client.batch([...rows, {
    sql: "UPDATE chats SET leaf_key = ? WHERE id = ?",
    args: [`${chat}:${messages - 1}`, chat],
  }], "write");
  client.close();
  return chat;
}
