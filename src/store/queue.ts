import type { Row } from "@libsql/client";
import type { QueuedRequest, QueuedSend, QueueStore } from "../domain/ports.ts";
import type { Database } from "./database.ts";
import { isUniqueViolation } from "./failure.ts";
import { insertKeyed } from "./run_statements.ts";

/** Messages that wait, in the database. */
export function queueStore(db: Database): QueueStore {
  return {
    async add({ run, request }, keyed, limit) {
      const stored = JSON.stringify({ ...request, model: run.model, protocol: run.protocol });
      const { id, parts } = request.message;
      const same = {
        sql: `SELECT 1 FROM queue WHERE chat_id = ? AND request ->> '$.message.id' = ?
              AND request -> '$.message.parts' = json(?)`,
        args: [run.chatId, id, JSON.stringify(parts)],
      };
      const added = {
        sql: `INSERT INTO queue (run_id, chat_id, owner_id, message_id, request, created_at)
              SELECT ?, ?, ?, ?, ?, ?
              WHERE (SELECT count(*) FROM queue WHERE chat_id = ?) < ?
              AND NOT EXISTS (${same.sql}) RETURNING run_id`,
        args: [
          run.id,
          run.chatId,
          run.ownerId,
          run.messageId,
          stored,
          run.createdAt,
          run.chatId,
          limit,
          ...same.args,
        ],
      };
      try {
        const isIn = { sql: "EXISTS (SELECT 1 FROM queue WHERE run_id = ?)", args: [run.id] };
        const [result] = await db.write([
          added,
          ...(keyed ? [insertKeyed(keyed, run, isIn)] : []),
        ]);
        if (result?.rows.length !== 1) {
          return (await db.read(same)).rows.length > 0 ? "repeated" : "full";
        }
      } catch (error) {
        if (isUniqueViolation(error)) return "repeated";
        throw error;
      }
      await db.durable();
      return "added";
    },

    async list(ownerId, chatId) {
      const { rows } = await db.read({
        sql: "SELECT * FROM queue WHERE chat_id = ? AND owner_id = ? ORDER BY created_at, rowid",
        args: [chatId, ownerId],
      });
      return rows.map(toQueued);
    },

    async find(ownerId, runId) {
      const { rows } = await db.read({
        sql: "SELECT * FROM queue WHERE run_id = ? AND owner_id = ?",
        args: [runId, ownerId],
      });
      return rows[0] && toQueued(rows[0]);
    },

    async first(chatId) {
      const { rows } = await db.read({
        sql: "SELECT * FROM queue WHERE chat_id = ? ORDER BY created_at, rowid LIMIT 1",
        args: [chatId],
      });
      return rows[0] && toQueued(rows[0]);
    },

    async remove(ownerId, chatId, runId) {
      const [result] = await db.write([{
        sql: "DELETE FROM queue WHERE run_id = ? AND chat_id = ? AND owner_id = ?",
        args: [runId, chatId, ownerId],
      }]);
      await db.durable();
      return result?.rowsAffected === 1;
    },

    async chats() {
      const { rows } = await db.read(
        `SELECT DISTINCT chat_id FROM queue WHERE NOT EXISTS
           (SELECT 1 FROM runs WHERE runs.chat_id = queue.chat_id AND state = 'running')`,
      );
      return rows.map((row) => row["chat_id"] as string);
    },
  };
}

function toQueued(row: Row): QueuedSend {
  const { model, protocol, ...request } = JSON.parse(row["request"] as string) as
    & QueuedRequest
    & Pick<QueuedSend["run"], "model" | "protocol">;
  return {
    run: {
      id: row["run_id"] as string,
      chatId: row["chat_id"] as string,
      ownerId: row["owner_id"] as string,
      messageId: row["message_id"] as string,
      model,
      protocol,
      createdAt: row["created_at"] as number,
    },
    request,
  };
}
