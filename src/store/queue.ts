import { fileIdOf } from "../domain/file.ts";
import type { QueueLimits, QueueStore } from "../domain/ports.ts";
import type { QueuedRequest, QueuedSend } from "../domain/records.ts";
import type { Database } from "./database.ts";
import { isMissingRow, isUniqueViolation } from "./failure.ts";
import { addFiles } from "./files.ts";
import type { queue } from "./schema.ts";
import { insertKeyed } from "./send_keys.ts";
import { sql, type Statement } from "./statement.ts";

/** How many chats in which something waits are read at once. */
const PAGE = 200;

/** How many bytes of messages one query gives, unless the first is longer: servers limit their answers. */
const PAGE_BYTES = 4 * 1024 * 1024;

/** How many refused messages a chat keeps, and how many bytes of them, unless the last is longer. */
const REFUSED = 20;
const REFUSED_BYTES = 8 * 1024 * 1024;

/** Messages that wait, in the database. */
export function queueStore(db: Database): QueueStore {
  return {
    async add(send, keyed, limits) {
      const { run, request } = send;
      const isIn = sql`EXISTS (SELECT 1 FROM queue WHERE run_id = ${run.id})`;
      const fileIds = fileIdsOf(request);
      try {
        const [{ rowsAffected }] = await db.write([
          insertQueued(send, limits),
          sql`UPDATE chats SET queue_held = 0 WHERE id = ${run.chatId} AND queue_held AND ${isIn}`,
          ...(fileIds.length > 0 ? [addFiles(fileIds, run, isIn)] : []),
          ...(keyed ? [insertKeyed(keyed, run, isIn)] : []),
        ]);
        if (rowsAffected === 0) return await whyNot(db, send);
      } catch (error) {
        if (isUniqueViolation(error)) return "repeated";
        if (isMissingRow(error)) return "gone";
        throw error;
      }
      await db.durable();
      return "added";
    },

    async list(ownerId, chatId) {
      const queued: QueuedSend[] = [];
      for (let after = { createdAt: -1, place: 0 };;) {
        const page = await db.all(selectPage(ownerId, chatId, after));
        for (const { place, left: _, ...row } of page) {
          after = { createdAt: row.createdAt, place };
          queued.push(toQueued(row));
        }
        if ((page[0]?.left ?? 0) <= page.length) return queued;
      }
    },

    async find(ownerId, runId) {
      const row = await db.get(sql<QueueRow>`
        SELECT ${COLUMNS} FROM queue WHERE run_id = ${runId} AND owner_id = ${ownerId}`);
      return row && toQueued(row);
    },

    async next(chatId) {
      const row = await db.get(sql<QueueRow>`
        SELECT ${COLUMNS} FROM queue
        WHERE chat_id = ${chatId} AND failure IS NULL
          AND EXISTS (SELECT 1 FROM chats WHERE id = chat_id AND NOT queue_held)
        ORDER BY created_at, rowid LIMIT 1`);
      return row && toQueued(row);
    },

    async refuse({ id, chatId }, failure) {
      const [{ rowsAffected }] = await db.write([
        sql`UPDATE queue SET failure = ${JSON.stringify(failure)}
          WHERE run_id = ${id} AND failure IS NULL`,
        sql`DELETE FROM queue WHERE rowid IN (SELECT rowid FROM (
          SELECT rowid, row_number() OVER newer AS number,
            sum(octet_length(request)) OVER newer AS bytes
          FROM queue WHERE chat_id = ${chatId} AND failure IS NOT NULL
          WINDOW newer AS (ORDER BY rowid DESC)
        ) WHERE number > ${REFUSED} OR number > 1 AND bytes > ${REFUSED_BYTES})`,
      ]);
      await db.durable();
      return rowsAffected === 1;
    },

    async remove(ownerId, chatId, runId) {
      const isMeant = runId === undefined ? sql`true` : sql`run_id = ${runId}`;
      const [{ rowsAffected }] = await db.free([sql`
        DELETE FROM queue WHERE chat_id = ${chatId} AND owner_id = ${ownerId} AND ${isMeant}`]);
      await db.durable();
      return rowsAffected > 0;
    },

    async hold(ownerId, chatId, held) {
      const [{ rows }] = await db.write([sql<{ held: number }>`
        UPDATE chats
        SET queue_held = ${held} AND EXISTS (SELECT 1 FROM queue
          WHERE owner_id = chats.owner_id AND chat_id = chats.id AND failure IS NULL)
        WHERE id = ${chatId} AND owner_id = ${ownerId} RETURNING queue_held AS held`]);
      return rows[0]?.held === 1;
    },

    async isHeld(ownerId, chatId) {
      const row = await db.get(sql<{ id: string }>`
        SELECT id FROM chats WHERE id = ${chatId} AND owner_id = ${ownerId} AND queue_held`);
      return row !== undefined;
    },

    async waiting({ ownerId, chatId }) {
      const rows = await db.all(sql<{ ownerId: string; chatId: string; isReady: number }>`
        SELECT owner_id AS "ownerId", chat_id AS "chatId",
          EXISTS (SELECT 1 FROM chats WHERE id = chat_id AND NOT queue_held)
          AND NOT EXISTS (SELECT 1 FROM runs
            WHERE runs.chat_id = waiting.chat_id AND state = 'running') AS "isReady"
        FROM (SELECT DISTINCT owner_id, chat_id FROM queue
          WHERE failure IS NULL AND (owner_id, chat_id) > (${ownerId}, ${chatId})
          ORDER BY owner_id, chat_id LIMIT ${PAGE}) AS waiting`);
      return rows.map((row) => ({ ...row, isReady: row.isReady === 1 }));
    },
  };
}

/** A row of the table `queue`: the request and the failure are JSON. */
interface QueueRow extends Omit<typeof queue.$inferSelect, "request" | "failure"> {
  request: string;
  failure: string | null;
}

const COLUMNS = sql`run_id AS "runId", chat_id AS "chatId", owner_id AS "ownerId",
  message_id AS "messageId", request, created_at AS "createdAt", failure`;

/** With its place in the table, and how many there were from the page's first on. */
interface PageRow extends QueueRow {
  place: number;
  left: number;
}

/** The next messages of a chat behind a place, in the order of their turns. */
function selectPage(
  ownerId: string,
  chatId: string,
  after: { createdAt: number; place: number },
): Statement<PageRow> {
  return sql`
    WITH page AS (
      SELECT rowid AS place, row_number() OVER turns AS number, count(*) OVER () AS "left",
        sum(octet_length(request)) OVER turns AS bytes
      FROM queue
      WHERE chat_id = ${chatId} AND owner_id = ${ownerId}
        AND (created_at, rowid) > (${after.createdAt}, ${after.place})
      WINDOW turns AS (ORDER BY created_at, rowid))
    SELECT ${COLUMNS}, place, "left"
    FROM page JOIN queue ON queue.rowid = place
    WHERE number = 1 OR bytes <= ${PAGE_BYTES} ORDER BY number`;
}

function insertQueued(
  send: QueuedSend,
  { perChat, perUser, bytesPerChat }: QueueLimits,
): Statement<never> {
  const { id, chatId, ownerId, messageId, createdAt } = send.run;
  return sql`
    WITH sent (content) AS (SELECT ${contentOf(send)})
    INSERT INTO queue (run_id, chat_id, owner_id, message_id, request, created_at)
    SELECT ${id}, id, owner_id, ${messageId}, content, ${createdAt} FROM chats CROSS JOIN sent
    WHERE id = ${chatId} AND owner_id = ${ownerId}
      AND (SELECT count(*) < ${perChat}
          AND coalesce(sum(octet_length(request)) + octet_length(content) <= ${bytesPerChat}, true)
        FROM queue WHERE owner_id = ${ownerId} AND chat_id = ${chatId} AND failure IS NULL)
      AND (SELECT count(*) FROM queue
        WHERE owner_id = ${ownerId} AND failure IS NULL) < ${perUser}
      AND NOT ${sameWaits(send)}`;
}

/** What the column `request` holds. */
type Content = typeof queue.$inferSelect["request"];

function contentOf({ run: { model, protocol }, request }: QueuedSend): string {
  const content: Content = { ...request, model, protocol };
  return JSON.stringify(content);
}

/** True if the same message waits as in the `content` that was sent, which may be large. */
function sameWaits({ run }: QueuedSend): Statement {
  return sql`EXISTS (SELECT 1 FROM queue
    WHERE owner_id = ${run.ownerId} AND chat_id = ${run.chatId} AND failure IS NULL
      AND request ->> '$.message.id' = content ->> '$.message.id'
      AND request -> '$.message.parts' = content -> '$.message.parts')`;
}

async function whyNot(db: Database, send: QueuedSend): Promise<"gone" | "repeated" | "full"> {
  const row = await db.get(sql<{ same: number }>`
    WITH sent (content) AS (SELECT ${contentOf(send)})
    SELECT ${sameWaits(send)} AS same FROM chats CROSS JOIN sent
    WHERE id = ${send.run.chatId} AND owner_id = ${send.run.ownerId}`);
  if (!row) return "gone";
  return row.same === 1 ? "repeated" : "full";
}

function fileIdsOf({ message }: QueuedRequest): string[] {
  return message.parts.map((part) => part.type === "file" ? fileIdOf(part.url) : undefined)
    .filter((id) => id !== undefined);
}

function toQueued({ runId, request, failure, ...run }: QueueRow): QueuedSend {
  const { model, protocol, ...rest }: Content = JSON.parse(request);
  const known = { ...run, id: runId, model, protocol };
  return { run: known, request: rest, failure: JSON.parse(failure ?? "null") };
}
