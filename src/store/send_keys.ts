import type { SendKeyStore } from "../domain/ports.ts";
import type { KeyedSend, RunIdentity } from "../domain/records.ts";
import type { Database } from "./database.ts";
import { isUniqueViolation } from "./failure.ts";
import { sql, type Statement } from "./statement.ts";

/** How many keys one transaction removes. */
const EXPIRED = 200;

/** The keys of sends in the database. */
export function sendKeyStore(db: Database): SendKeyStore {
  return {
    find: (chatId, key) =>
      db.get(sql<{ runId: string; hash: string }>`
        SELECT run_id AS "runId", hash FROM sends WHERE chat_id = ${chatId} AND key = ${key}`),

    async keep(keyed, run) {
      try {
        await db.write([insertKeyed(keyed, run)]);
        return true;
      } catch (error) {
        if (isUniqueViolation(error)) return false;
        throw error;
      }
    },

    async *expire(time) {
      for (;;) {
        const [{ rowsAffected }] = await db.write([sql`
          DELETE FROM sends WHERE rowid IN (
            SELECT rowid FROM sends WHERE created_at < ${time} LIMIT ${EXPIRED})`]);
        if (rowsAffected < EXPIRED) return;
        yield;
      }
    },
  };
}

/** The statement that keeps a send's key if the condition holds. */
export function insertKeyed(
  { key, hash }: KeyedSend,
  run: RunIdentity,
  condition: Statement = sql`true`,
): Statement<never> {
  return sql`
    INSERT INTO sends (chat_id, key, hash, run_id, created_at)
    SELECT ${run.chatId}, ${key}, ${hash}, ${run.id}, ${run.createdAt} WHERE ${condition}`;
}
