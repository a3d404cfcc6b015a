/**
 * How cost grows: the same requests beside ever more chats, messages, logs, live runs and readers. What a
 * request does not return must cost it nothing.
 */
// @ts-types="../../src/store/libsql.d.ts"
import Libsql from "libsql";
import { type Bed, HEADERS, makeBed } from "./bed.ts";
import { cpuSeconds, quantile, say, timeToFirst } from "./measure.ts";

const ROUNDS = 40;

/** Measures all curves. */
export async function growth(): Promise<void> {
  await using bed = await makeBed();
  // Warm up, so as not to measure compilation.
  for (let n = 0; n < 60; n++) await firstToken(bed, await bed.parley.newChat());
  await chats(bed);
  await logs(bed);
  await messages(bed);
  await readers(bed);
  await liveRuns(bed);
}

async function chats(bed: Bed): Promise<void> {
  say("chats", "list of 50 ms", "one ms", "first ms");
  for (const count of [100, 1_000, 10_000, 100_000]) {
    fill(
      bed,
      `
      WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ${count})
      INSERT OR IGNORE INTO chats (id, owner_id, title, titled, created_at, updated_at)
      SELECT 'filled-' || n, owner_id, 'A chat', 1, n, n FROM n,
        (SELECT owner_id FROM chats LIMIT 1)`,
    );
    const chat = await bed.parley.newChat();
    say(
      count.toLocaleString("en"),
      await timeOf(bed, "/api/v2/chats?limit=50"),
      await timeOf(bed, `/api/v2/chats/${chat}`),
      await firstOf(bed, () => bed.parley.newChat()),
    );
  }
}

async function logs(bed: Bed): Promise<void> {
  say("rows of logs", "resume ms", "first ms");
  const chat = await bed.parley.newChat();
  const sent = await fetch(`${bed.parley.url}/api/v2/chats/${chat}/messages`, {
    method: "POST",
    headers: HEADERS,
    body: '{"message":{"role":"user","content":"Hello"},"model":"demo"}',
  });
  await sent.text();
  const run = sent.headers.get("parley-run-id");
  for (const count of [1_000, 10_000, 100_000, 1_000_000]) {
    fill(
      bed,
      `
      WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ${count})
      INSERT OR IGNORE INTO events (bucket, run_id, seq, last_seq, data)
      SELECT (SELECT max(bucket) FROM events) - n % 64, 'filled-' || (n / 100), n % 100, n % 100, '[]'
      FROM n`,
    );
    say(
      count.toLocaleString("en"),
      await timeOf(bed, `/api/v2/chats/${chat}/stream?protocol=data&run=${run}`),
      await firstOf(bed, () => bed.parley.newChat()),
    );
  }
}

async function messages(bed: Bed): Promise<void> {
  say("messages in a chat", "newest 50 ms", "first ms");
  for (const count of [10, 100, 1_000, 10_000]) {
    const chat = await bed.parley.newChat();
    fill(
      bed,
      `
      WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < ${count})
      INSERT INTO messages (key, chat_id, id, parent_key, role, parts, metadata, status, created_at)
      SELECT '${chat}:' || n, '${chat}', 'm' || n, CASE WHEN n > 1 THEN '${chat}:' || (n - 1) END,
        CASE n % 2 WHEN 1 THEN 'user' ELSE 'assistant' END, '[{"type":"text","text":"Hello"}]',
        '{}', 'completed', n FROM n`,
    );
    fill(bed, `UPDATE chats SET leaf_key = '${chat}:${count}' WHERE id = '${chat}'`);
    say(
      count.toLocaleString("en"),
      await timeOf(bed, `/api/v2/chats/${chat}/messages?limit=50`),
      await firstOf(bed, () => Promise.resolve(chat), "demo"),
    );
  }
}

async function readers(bed: Bed): Promise<void> {
  say("readers of a run", "CPU us/chunk", "of each reader");
  for (const count of [1, 10, 100]) {
    const chat = await bed.parley.newChat();
    const sending = bed.parley.ask(chat, { deltas: 150, delayMs: 20 });
    await new Promise((resolve) => setTimeout(resolve, 300));
    const before = await cpuSeconds(bed.parley.pid);
    const url = `${bed.parley.url}/api/v2/chats/${chat}/stream`;
    await Promise.all(Array.from({ length: count - 1 }, () => read(url)));
    const chunks = await sending;
    const used = (await cpuSeconds(bed.parley.pid) - before) * 1e6;
    say(count.toLocaleString("en"), used / chunks, used / chunks / count);
  }
}

async function liveRuns(bed: Bed): Promise<void> {
  say("live runs, 1 delta a second", "CPU us/chunk", "first ms");
  for (const count of [1, 10, 100, 1_000]) {
    const asking = [];
    for (let n = 0; n < count; n++) {
      asking.push(bed.parley.ask(await bed.parley.newChat(), { deltas: 12, delayMs: 1_000 }));
    }
    const before = await cpuSeconds(bed.parley.pid);
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    const used = await cpuSeconds(bed.parley.pid) - before;
    const first = await firstOf(bed, () => bed.parley.newChat());
    say(count.toLocaleString("en"), used / (5 * count) * 1e6, first);
    await Promise.all(asking);
  }
}

/** Writes beside the server. */
function fill({ parley }: Bed, sql: string): void {
  const db = new Libsql(`${parley.dataDir}/parley.db`, { timeout: 30_000 });
  db.exec(sql);
  db.close();
}

/** The median time of a GET, in milliseconds. */
async function timeOf({ parley }: Bed, path: string): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < ROUNDS; n++) {
    const begun = performance.now();
    const response = await fetch(parley.url + path, { headers: HEADERS });
    const body = await response.text();
    if (!response.ok) throw new Error(body);
    times.push(performance.now() - begun);
  }
  return quantile(times, 0.5);
}

/** The median time to the first token, in milliseconds. */
async function firstOf(bed: Bed, chat: () => Promise<string>, model?: string): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < ROUNDS; n++) times.push(await firstToken(bed, await chat(), model));
  return quantile(times, 0.5);
}

function firstToken({ parley }: Bed, chat: string, model?: string): Promise<number> {
  return timeToFirst((onDeltas) => parley.ask(chat, { deltas: 3, delayMs: 5 }, onDeltas, model));
}

async function read(url: string): Promise<void> {
  await (await fetch(url, { headers: HEADERS })).text();
}
