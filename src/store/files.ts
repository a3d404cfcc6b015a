import type { Row } from "@libsql/client";
import type { ChatFile } from "../domain/file.ts";
import type { FileStore } from "../domain/ports.ts";
import type { Database } from "./database.ts";

/** Files of chats in the database. */
export function fileStore(db: Database): FileStore {
  return {
    async add(file, bytes, limit) {
      const [result] = await db.write([{
        sql: `INSERT INTO files
                (id, chat_id, owner_id, media_type, filename, size, bytes, created_at)
              SELECT ?, ?, ?, ?, ?, ?, ?, ?
              WHERE (SELECT count(*) FROM files WHERE chat_id = ?) < ? RETURNING id`,
        args: [
          file.id,
          file.chatId,
          file.ownerId,
          file.mediaType,
          file.filename,
          file.size,
          bytes,
          file.createdAt,
          file.chatId,
          limit,
        ],
      }]);
      await db.durable();
      return result?.rows.length === 1;
    },

    async find(ownerId, id) {
      const { rows } = await db.read({
        sql: `SELECT ${COLUMNS} FROM files WHERE id = ? AND owner_id = ?`,
        args: [id, ownerId],
      });
      return rows[0] && toFile(rows[0]);
    },

    async read(ownerId, id) {
      const { rows } = await db.read({
        sql: `SELECT ${COLUMNS}, bytes FROM files WHERE id = ? AND owner_id = ?`,
        args: [id, ownerId],
      });
      const row = rows[0];
      return row && { file: toFile(row), bytes: new Uint8Array(row["bytes"] as ArrayBuffer) };
    },
  };
}

const COLUMNS = "id, chat_id, owner_id, media_type, filename, size, created_at";

function toFile(row: Row): ChatFile {
  return {
    id: row["id"] as string,
    chatId: row["chat_id"] as string,
    ownerId: row["owner_id"] as string,
    mediaType: row["media_type"] as string,
    filename: row["filename"] as string | null,
    size: row["size"] as number,
    createdAt: row["created_at"] as number,
  };
}
