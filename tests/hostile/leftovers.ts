/** What a kill, or an older Parley, may leave in a database: written in SQL, so that many cost little. */
import { localPrincipal } from "../../src/domain/principal.ts";
import { statement } from "../../src/store/statement.ts";
import { testDatabase } from "../kit/database.ts";

/** The token of the user whose everything is. */
export const MALLORY_SECRET = "mallory-secret";

const MALLORY = localPrincipal("mallory").id;

/** What to leave. */
export interface Leftovers {
  /** How many runs were live, each in a chat of its own, with a short log. */
  runs?: number;
  /** The rows of more logs, by run: each an array of events as JSON. */
  logs?: Iterable<string>[];
  /** In how many more chats, which are idle, how many messages wait. */
  queued?: { chats: number; each: number };
}

/** The id of the nth chat: those with short logs come first, then those with others, then idle ones. */
export function chatId(n: number): string {
  return `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
}

const BEGUN = [
  { type: "start", messageId: "m", model: "scripted" },
  { type: "step-start", messageId: "m" },
  { type: "text-start", id: "0" },
  ...Array.from({ length: 40 }, (_, n) => ({ type: "text-delta", id: "0", text: `${n} ` })),
];

const WAITING = {
  message: { id: "q", role: "user", parts: [{ type: "text", text: "next" }], metadata: {} },
  thinking: false,
  tools: [],
  output: null,
  model: "scripted",
  protocol: "data",
};

/** Leaves all that in a new database in the folder; resolves to how many runs are live and messages wait. */
export async function leave(
  dataDir: string,
  { runs = 0, logs = [], queued = { chats: 0, each: 0 } }: Leftovers,
): Promise<{ live: number; queued: number }> {
  await using db = await testDatabase(dataDir);
  const live = runs + logs.length;
  /** A row for each number from `from`, `count` of them: `?1` and `?2` are taken. */
  const insert = async (into: string, values: string, from: number, count: number, more = "") => {
    if (count === 0) return;
    await db.write([statement(
      `INSERT INTO ${into}
      WITH RECURSIVE numbers (n) AS (SELECT ? UNION ALL SELECT n + 1 FROM numbers WHERE n < ?)
      SELECT ${values} FROM numbers`,
      [from, from + count - 1, ...more === "" ? [] : [more]],
    )]);
  };
  const chat = "'00000000-0000-4000-8000-' || printf('%012d', n)";
  await insert(
    "chats (id, owner_id, title, titled, leaf_key, created_at, updated_at)",
    `${chat}, '${MALLORY}', 'A chat', 1, 'key' || n, n, n`,
    0,
    live + queued.chats,
  );
  await insert(
    "messages (key, chat_id, id, role, parts, metadata, status, created_at)",
    `'key' || n, ${chat}, 'u' || n, 'user', '[{"type":"text","text":"Hello"}]', '{}', 'completed', n`,
    0,
    live + queued.chats,
  );
  await insert(
    `runs (id, chat_id, owner_id, prompt_key, message_id, model, protocol, state, created_at,
      lease_owner, lease_until, text_only, first_bucket)`,
    `'run' || n, ${chat}, '${MALLORY}', 'key' || n, 'm' || n, 'scripted', 'data', 'running', n,
      'gone', 0, 1, 1`,
    0,
    live,
  );
  await insert(
    "attempts (id, run_id, chat_id, owner_id, kind, provider, model, started_at, outcome)",
    `'a' || n, 'run' || n, ${chat}, '${MALLORY}', 'answer', 'p', 'scripted', n, 'open'`,
    0,
    live,
  );
  const log = "events (bucket, run_id, seq, last_seq, data)";
  await insert(log, `1, 'run' || n, 1, ${BEGUN.length}, ?`, 0, live, JSON.stringify(BEGUN));
  for (const [at, rows] of logs.entries()) {
    let seq = BEGUN.length;
    for (const data of rows) {
      const first = seq + 1;
      seq += JSON.parse(data).length;
      await insert(log, `1, 'run' || n, ${first}, ${seq}, ?`, runs + at, 1, data);
    }
  }
  for (let k = 0; k < queued.each; k++) {
    await insert(
      "queue (run_id, chat_id, owner_id, message_id, request, created_at)",
      `'wait' || n || '-${k}', ${chat}, '${MALLORY}', 'mq' || n,
        json_set(?, '$.message.id', 'q${k}'), ${k}`,
      live,
      queued.chats,
      JSON.stringify(WAITING),
    );
  }
  return { live, queued: queued.chats * queued.each };
}
