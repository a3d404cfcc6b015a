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
