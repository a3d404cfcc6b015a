import type { Row } from "@libsql/client";
import { type Chat, DEFAULT_TITLE } from "../domain/chat.ts";
import type { ChatStore } from "../domain/ports.ts";
import type { Database, Statement } from "./database.ts";
import { deleteEvents } from "./events.ts";

/** Chats in the database. */
export function chatStore(db: Database): ChatStore {
  return {
    async create(chat, { titled }) {
      await db.write([insertChat(chat, { titled })]);
      await db.durable();
    },

    async get(ownerId, id) {
      const { rows } = await db.read({
        sql: `SELECT ${COLUMNS} FROM chats WHERE id = ? AND owner_id = ?`,
        args: [id, ownerId],
      });
      return rows[0] && toChat(rows[0]);
    },

    async list(ownerId, { limit = -1, after }) {
      const { rows } = await db.read({
        sql: `SELECT ${COLUMNS} FROM chats
              WHERE owner_id = ?${after ? " AND (updated_at, id) < (?, ?)" : ""}
              ORDER BY updated_at DESC, id DESC LIMIT ?`,
        args: [ownerId, ...(after ? [after.updatedAt, after.id] : []), limit],
      });
      return rows.map(toChat);
    },

    async rename(ownerId, id, title, now) {
      const [result] = await db.write([{
        sql: `UPDATE chats SET title = ?, titled = 1, updated_at = ?
              WHERE id = ? AND owner_id = ? RETURNING ${COLUMNS}`,
        args: [title, now, id, ownerId],
      }]);
      const row = result?.rows[0];
      return row && toChat(row);
    },

    async choose(ownerId, id, leafKey, now) {
      const [result] = await db.write([{
        sql: `UPDATE chats SET leaf_key = ?, updated_at = max(updated_at, ?)
              WHERE id = ? AND owner_id = ?
                AND EXISTS (SELECT 1 FROM messages WHERE key = ? AND chat_id = chats.id)
                AND NOT EXISTS (SELECT 1 FROM runs WHERE chat_id = chats.id AND state = 'running')
              RETURNING ${COLUMNS}`,
        args: [leafKey, now, id, ownerId, leafKey],
      }]);
      const row = result?.rows[0];
      return row && toChat(row);
    },

    async fork(source, upToKey, fork) {
      await db.write([
        insertChat(fork, { titled: true }),
        {
          sql: `WITH RECURSIVE branch (key, depth) AS (
                  SELECT key, 0 FROM messages WHERE key = ? AND chat_id = ?
                  UNION ALL
                  SELECT m.parent_key, depth + 1 FROM branch JOIN messages m ON m.key = branch.key
                  WHERE m.parent_key IS NOT NULL
                )
                INSERT INTO messages (key, chat_id, id, parent_key, role, parts, metadata, status,
                  model, finish_reason, usage, created_at)
                SELECT ? || ':' || depth, ?, m.id,
                  CASE WHEN m.parent_key IS NULL THEN NULL ELSE ? || ':' || (depth + 1) END,
                  m.role, m.parts, m.metadata, m.status, m.model, m.finish_reason, m.usage,
                  m.created_at
                FROM branch JOIN messages m ON m.key = branch.key ORDER BY depth DESC`,
          args: [upToKey, source.id, fork.id, fork.id, fork.id],
        },
        {
          sql: "UPDATE chats SET leaf_key = ? WHERE id = ?",
          args: [`${fork.id}:0`, fork.id],
        },
      ]);
      await db.durable();
    },

    async nameOnce(ownerId, id, title) {
      const [result] = await db.write([{
        sql: `UPDATE chats SET title = ?
              WHERE id = ? AND owner_id = ? AND titled = 0 AND title = ?`,
        args: [title, id, ownerId, DEFAULT_TITLE],
      }]);
      return result?.rowsAffected === 1;
    },

    async delete(ownerId, id) {
      const own = "(SELECT id FROM chats WHERE id = ? AND owner_id = ?)";
      const args = [id, ownerId];
      const results = await db.write([
        deleteEvents({ sql: `chat_id IN ${own}`, args }),
        { sql: `DELETE FROM sends WHERE chat_id IN ${own}`, args },
        { sql: `DELETE FROM queue WHERE chat_id IN ${own}`, args },
        { sql: `DELETE FROM runs WHERE chat_id IN ${own}`, args },
        { sql: `DELETE FROM files WHERE chat_id IN ${own}`, args },
        { sql: `DELETE FROM messages WHERE chat_id IN ${own}`, args },
        { sql: "DELETE FROM chats WHERE id = ? AND owner_id = ?", args },
      ]);
      await db.durable();
      return results.at(-1)?.rowsAffected === 1;
    },
  };
}

function insertChat(chat: Chat, { titled }: { titled: boolean }): Statement {
  return {
    sql: `INSERT INTO chats (id, owner_id, title, titled, leaf_key, created_at, updated_at)
          VALUES (?, ?, ?, ?, ?, ?, ?)`,
    args: [
      chat.id,
      chat.ownerId,
      chat.title,
      titled,
      chat.leafKey,
      chat.createdAt,
      chat.updatedAt,
    ],
  };
}

const COLUMNS = "id, owner_id, title, leaf_key, created_at, updated_at";

function toChat(row: Row): Chat {
  return {
    id: row["id"] as string,
    ownerId: row["owner_id"] as string,
    title: row["title"] as string,
    leafKey: row["leaf_key"] as string | null,
    createdAt: row["created_at"] as number,
    updatedAt: row["updated_at"] as number,
  };
}
