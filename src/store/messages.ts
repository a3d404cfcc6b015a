import type { RunFailure } from "../domain/errors.ts";
import { isSeen, type MessageStatus, type Part } from "../domain/message.ts";
import type { MessageStore } from "../domain/ports.ts";
import type { MessageOutline, StoredMessage } from "../domain/records.ts";
import type { Database } from "./database.ts";
import { readSlices } from "./slices.ts";
import { sql, type Statement } from "./statement.ts";

/**
 * How many bytes of contents one query gives. Servers limit their answers, and quotes and backslashes
 * take two bytes in theirs.
 */
const PAGE = 1_500_000;

/** The columns of a `MessageOutline`. */
export const OUTLINE =
  sql`m.key, m.id, m.parent_key AS "parentKey", m.role, octet_length(m.parts) AS size,
    octet_length(m.metadata) + coalesce(octet_length(m.unseen), 0) AS rest`;

/** Messages in the database. */
export function messageStore(db: Database): MessageStore {
  return {
    outline: (chatId, key, limit) =>
      db.all(sql<MessageOutline>`
        WITH RECURSIVE branch AS (
          SELECT ${OUTLINE}, 0 AS depth FROM messages m
          WHERE m.key = ${key} AND m.chat_id = ${chatId}
          UNION ALL
          SELECT ${OUTLINE}, depth + 1 FROM branch JOIN messages m ON m.key = branch."parentKey"
          LIMIT ${limit})
        SELECT key, id, "parentKey", role, size, rest FROM branch ORDER BY depth`),

    async read(chatId, keys, { seenOnly } = { seenOnly: false }) {
      const messages: StoredMessage[] = [];
      let rest = keys;
      while (rest.length > 0) {
        const rows = await db.all(selectPage(chatId, rest, seenOnly));
        for (const { at: _, ...row } of rows) {
          const parts = row.parts ?? await readText(db, sql`parts`, row.key);
          if (parts === undefined) continue;
          const { metadata, unseen } = seenOnly ? SEEN_ONLY : await readRest(db, row);
          messages.push(toMessage({ ...row, parts, metadata, unseen }));
        }
        const last = rows.at(-1);
        rest = last ? rest.slice(last.at + 1) : [];
      }
      return messages;
    },

    async withId(chatId, id) {
      const rows = await db.all(sql<{ key: string }>`
        SELECT key FROM messages WHERE chat_id = ${chatId} AND id = ${id} ORDER BY rowid`);
      return rows.map(({ key }) => key);
    },

    async descend(chatId, key, limit) {
      const newest = sql`SELECT key FROM messages
        WHERE chat_id = ${chatId} AND parent_key = branch.key ORDER BY rowid DESC LIMIT 1`;
      const rows = await db.all(sql<{ key: string }>`
        WITH RECURSIVE branch (key, depth) AS (
          SELECT ${key}, 0
          UNION ALL
          SELECT (${newest}), depth + 1 FROM branch WHERE key IS NOT NULL
          LIMIT ${limit + 1})
        SELECT key FROM branch WHERE depth > 0 AND key IS NOT NULL ORDER BY depth`);
      return rows.map((row) => row.key);
    },

    async siblings(chatId, keys) {
      const rows = await db.all(sql<{ key: string; siblings: string }>`
        SELECT m.key, json_group_array(s.key ORDER BY s.rowid) AS siblings
        FROM json_each(${JSON.stringify(keys)}) wanted
          JOIN messages m ON m.key = wanted.value
          JOIN messages s ON s.chat_id = m.chat_id AND s.parent_key IS m.parent_key
            AND s.role = m.role
        WHERE m.chat_id = ${chatId} GROUP BY m.key HAVING count(*) > 1`);
      return new Map(rows.map(({ key, siblings }) => [key, JSON.parse(siblings)]));
    },
  };
}

/** A message whose contents are JSON. */
export interface MessageRow
  extends Omit<StoredMessage, "parts" | "metadata" | "usage" | "failure"> {
  parts: string;
  metadata: string;
  unseen: string | null;
  usage: string | null;
  failure: string | null;
}

/** A message as a page has it: its contents are null if they are too large for one. */
interface PageRow extends Omit<MessageRow, "parts" | "metadata"> {
  /** Its place in the list of keys. */
  at: number;
  parts: string | null;
  metadata: string | null;
}

/** What no model sees. */
type Rest = { metadata: string; unseen: string | null };

/** Stands for what no model sees where that is not read. */
export const SEEN_ONLY: Rest = { metadata: "{}", unseen: null };

/** The first of the messages, as many as fit into a page: at least one, if any of them is there. */
function selectPage(
  chatId: string,
  keys: readonly string[],
  seenOnly: boolean,
): Statement<PageRow> {
  const rest = sql`+ octet_length(m.metadata) + coalesce(octet_length(m.unseen), 0)`;
  const whole = sql`total <= ${PAGE}`;
  const given = seenOnly ? sql`false` : whole;
  return sql`
    WITH
      wanted AS (
        SELECT each.key AS at, m.rowid AS id,
          octet_length(m.parts) ${seenOnly ? sql`` : rest} AS size
        FROM json_each(${JSON.stringify(keys)}) each JOIN messages m ON m.key = each.value
        WHERE m.chat_id = ${chatId}),
      page AS (
        SELECT *, sum(size) OVER (ORDER BY at ROWS UNBOUNDED PRECEDING) AS total FROM wanted)
    SELECT m.key, m.id, m.parent_key AS "parentKey", m.role, m.status, m.model,
      m.finish_reason AS "finishReason", m.usage, m.failure,
      m.created_at AS "createdAt", page.at,
      CASE WHEN ${whole} THEN m.parts END AS parts,
      CASE WHEN ${given} THEN m.metadata END AS metadata,
      CASE WHEN ${given} THEN m.unseen END AS unseen
    FROM page JOIN messages m ON m.rowid = page.id
    WHERE ${whole} OR total = size ORDER BY at`;
}

async function readRest(
  db: Database,
  { key, metadata, unseen }: Omit<PageRow, "at">,
): Promise<Rest> {
  if (metadata !== null) return { metadata, unseen };
  return {
    metadata: await readText(db, sql`metadata`, key) ?? "{}",
    unseen: await readText(db, sql`unseen`, key) || null,
  };
}

async function readText(db: Database, column: Statement, key: string): Promise<string | undefined> {
  const bytes = await readSlices(
    db,
    sql`CAST(${column} AS BLOB)`,
    sql`messages WHERE key = ${key}`,
  );
  return bytes && new TextDecoder().decode(bytes);
}

/** The message of a row. */
export function toMessage({ usage, failure, unseen, ...row }: MessageRow): StoredMessage {
  return {
    ...row,
    parts: withUnseen(JSON.parse(row.parts), JSON.parse(unseen ?? "[]")),
    metadata: JSON.parse(row.metadata),
    usage: JSON.parse(usage ?? "null"),
    ...(failure !== null && { failure: JSON.parse(failure) }),
  };
}

/** All parts of a message: those that no model sees have their places with them. */
function withUnseen(seen: Part[], unseen: [at: number, part: Part][]): Part[] {
  if (unseen.length === 0) return seen;
  const places = new Map(unseen);
  const rest = seen.values();
  return Array.from(
    { length: seen.length + unseen.length },
    (_, at) => places.get(at) ?? rest.next().value!,
  );
}

/** The statement that finds the answer of a run. */
export function selectAnswer(
  { chatId, messageId, promptKey }: { chatId: string; messageId: string; promptKey: string },
): Statement<{ key: string }> {
  return sql`SELECT key FROM messages WHERE chat_id = ${chatId} AND id = ${messageId}
    AND (parent_key = ${promptKey} OR key = ${promptKey})`;
}

/** The statement that stores a message if the condition holds. */
export function insertMessage(
  chatId: string,
  message: StoredMessage,
  condition: Statement = sql`true`,
): Statement<never> {
  const { key, id, parentKey, role, status, model, finishReason, createdAt } = message;
  const { parts, metadata, unseen, usage, failure } = contentsOf(message);
  return sql`
    INSERT INTO messages (key, chat_id, id, parent_key, role, parts, metadata, status, model,
      finish_reason, usage, failure, created_at, unseen)
    SELECT ${key}, ${chatId}, ${id}, ${parentKey}, ${role}, ${parts}, ${metadata}, ${status},
      ${model}, ${finishReason}, ${usage}, ${failure}, ${createdAt}, ${unseen}
    WHERE ${condition}`;
}

/** The statement that gives a stored message other contents if the condition holds. */
export function updateMessage(
  message: StoredMessage,
  condition: Statement = sql`true`,
): Statement<never> {
  const { key, status, model, finishReason } = message;
  const { parts, unseen, usage, failure } = contentsOf(message);
  return sql`
    UPDATE messages SET parts = ${parts}, unseen = ${unseen}, status = ${status}, model = ${model},
      finish_reason = ${finishReason}, usage = ${usage}, failure = ${failure}
    WHERE key = ${key} AND ${condition}`;
}

/** The statement that stores how a message ended, or how the run did that left it without an answer. */
export function setStatus(
  key: string,
  status: MessageStatus,
  failure: RunFailure | null,
  condition: Statement = sql`true`,
): Statement<never> {
  return sql`
    UPDATE messages SET status = ${status}, failure = ${failure && JSON.stringify(failure)}
    WHERE key = ${key} AND ${condition}`;
}

function contentsOf({ parts, metadata, usage, failure }: StoredMessage) {
  const unseen = parts.flatMap((part, at) => isSeen(part) ? [] : [[at, part]]);
  return {
    parts: JSON.stringify(parts.filter(isSeen)),
    unseen: unseen.length > 0 ? JSON.stringify(unseen) : null,
    metadata: JSON.stringify(metadata),
    usage: usage && JSON.stringify(usage),
    failure: failure ? JSON.stringify(failure) : null,
  };
}
