import type { Row } from "@libsql/client";
import type { FinishReason } from "../domain/event.ts";
import type { JsonObject } from "../domain/json.ts";
import type { MessageStatus, Part, Role } from "../domain/message.ts";
import type { MessageStore, StoredMessage } from "../domain/ports.ts";
import type { Usage } from "../domain/usage.ts";
import type { Database, Statement } from "./database.ts";

/** Messages in the database. */
export function messageStore(db: Database): MessageStore {
  return {
    async history(ownerId, chatId) {
      const { rows } = await db.read({
        sql: `WITH RECURSIVE branch (key, depth) AS (
                SELECT leaf_key, 0 FROM chats
                WHERE id = ? AND owner_id = ? AND leaf_key IS NOT NULL
                UNION ALL
                SELECT m.parent_key, depth + 1 FROM branch JOIN messages m ON m.key = branch.key
                WHERE m.parent_key IS NOT NULL
              )
              SELECT m.* FROM branch JOIN messages m ON m.key = branch.key ORDER BY depth DESC`,
        args: [chatId, ownerId],
      });
      return rows.map(toMessage);
    },

    async branch(ownerId, chatId, key) {
      const { rows } = await db.read({
        sql: `WITH RECURSIVE
                start (key) AS (
                  SELECT m.key FROM messages m JOIN chats c ON c.id = m.chat_id
                  WHERE m.key = ? AND c.id = ? AND c.owner_id = ?
                ),
                up (key, depth) AS (
                  SELECT key, 0 FROM start
                  UNION ALL
                  SELECT m.parent_key, depth - 1 FROM up JOIN messages m ON m.key = up.key
                  WHERE m.parent_key IS NOT NULL
                ),
                down (key, depth) AS (
                  SELECT key, 0 FROM start
                  UNION ALL
                  SELECT (SELECT m.key FROM messages m WHERE m.parent_key = down.key
                          ORDER BY m.rowid DESC LIMIT 1), depth + 1
                  FROM down WHERE key IS NOT NULL
                )
              SELECT m.* FROM (SELECT * FROM up UNION SELECT * FROM down) path
              JOIN messages m ON m.key = path.key ORDER BY depth`,
        args: [key, chatId, ownerId],
      });
      return rows.map(toMessage);
    },

    async siblings(ownerId, chatId) {
      const { rows } = await db.read({
        sql: `SELECT json_group_array(key) AS keys FROM
                (SELECT m.key, m.parent_key, m.role FROM messages m JOIN chats c ON c.id = m.chat_id
                 WHERE c.id = ? AND c.owner_id = ? ORDER BY m.rowid)
              GROUP BY parent_key, role HAVING count(*) > 1`,
        args: [chatId, ownerId],
      });
      const siblings = new Map<string, string[]>();
      for (const row of rows) {
        const keys = JSON.parse(row["keys"] as string) as string[];
        for (const key of keys) siblings.set(key, keys);
      }
      return siblings;
    },
  };
}

const COLUMNS = `key, chat_id, id, parent_key, role, parts, metadata, status, model,
  finish_reason, usage, created_at`;

/** The statement that stores a message; with `condition`, only where that holds. */
export function insertMessage(
  chatId: string,
  message: StoredMessage,
  condition?: { sql: string; args: string[] },
): Statement {
  return {
    sql: `INSERT INTO messages (${COLUMNS}) SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?` +
      (condition ? ` WHERE ${condition.sql}` : ""),
    args: [
      message.key,
      chatId,
      message.id,
      message.parentKey,
      message.role,
      JSON.stringify(message.parts),
      JSON.stringify(message.metadata),
      message.status,
      message.model,
      message.finishReason,
      message.usage && JSON.stringify(message.usage),
      message.createdAt,
      ...(condition?.args ?? []),
    ],
  };
}

/** The statement that gives a stored message other contents. */
export function updateMessage(
  message: StoredMessage,
  condition?: { sql: string; args: string[] },
): Statement {
  return {
    sql: `UPDATE messages SET parts = ?, status = ?, model = ?, finish_reason = ?, usage = ?
          WHERE key = ?` + (condition ? ` AND ${condition.sql}` : ""),
    args: [
      JSON.stringify(message.parts),
      message.status,
      message.model,
      message.finishReason,
      message.usage && JSON.stringify(message.usage),
      message.key,
      ...(condition?.args ?? []),
    ],
  };
}

/** A row of the table as a message. */
export function toMessage(row: Row): StoredMessage {
  const usage = row["usage"] as string | null;
  return {
    key: row["key"] as string,
    id: row["id"] as string,
    parentKey: row["parent_key"] as string | null,
    role: row["role"] as Role,
    parts: JSON.parse(row["parts"] as string) as Part[],
    metadata: JSON.parse(row["metadata"] as string) as JsonObject,
    status: row["status"] as MessageStatus,
    model: row["model"] as string | null,
    finishReason: row["finish_reason"] as FinishReason | null,
    usage: usage === null ? null : JSON.parse(usage) as Usage,
    createdAt: row["created_at"] as number,
  };
}
