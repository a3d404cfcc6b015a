import type { Row } from "@libsql/client";
import type { RunFailure } from "../domain/errors.ts";
import type { RunEvent } from "../domain/event.ts";
import type { FoundRun, RunStore } from "../domain/ports.ts";
import type { Database } from "./database.ts";
import { appendEvents, Buckets, expireEvents, LAST_SEQ, selectEvents } from "./events.ts";
import { isMissingRow, isUniqueViolation } from "./failure.ts";
import { toMessage } from "./messages.ts";
import { remoteCause } from "./remote.ts";
import { beginStatements, endStatements, insertKeyed, lostStatement } from "./run_statements.ts";

const NONE: ReadonlySet<string> = new Set();

/**
 * Runs and their logs in the database. On a shared one `leaseOwner` is this process: it writes to no
 * run that another has taken over.
 */
export function runStore(db: Database, leaseOwner?: string): RunStore {
  const buckets = new Buckets(db, leaseOwner !== undefined);
  const findOne = async (where: string, args: string[]): Promise<FoundRun | undefined> => {
    const { rows } = await db.read({ sql: `${SELECT} WHERE ${where} LIMIT 1`, args });
    return rows[0] && toFound(rows[0]);
  };
  return {
    async begin(beginning) {
      try {
        await db.write(beginStatements(beginning, await buckets.current()));
        return "begun";
      } catch (error) {
        if (isUniqueViolation(error)) return "busy";
        if (isMissingRow(error)) return "moved";
        throw error;
      }
    },

    async append(groups, endings) {
      const bucket = await buckets.current();
      const statements = endings.flatMap((ending) => endStatements(ending, bucket, leaseOwner));
      if (groups.length > 0) statements.unshift(appendEvents(groups, bucket, leaseOwner));
      buckets.add(groups.length);
      if (leaseOwner === undefined) {
        await db.write(statements);
        return NONE;
      }
      const ids = [...groups.map(({ runId }) => runId), ...endings.map(({ run }) => run.id)];
      const write = () => db.write([lostStatement(ids, leaseOwner), ...statements]);
      // Twice is as good as once, and a line that broke may be whole by now.
      const [lost] = await write().catch((error) => {
        if (remoteCause(error)?.kind !== "unreachable") throw error;
        return write();
      });
      return new Set(lost?.rows.map((row) => row["value"] as string));
    },

    live: (ownerId, chatId) =>
      findOne("chat_id = ? AND owner_id = ? AND state = 'running'", [chatId, ownerId]),

    latest: (ownerId, chatId) =>
      findOne("chat_id = ? AND owner_id = ? ORDER BY created_at DESC, rowid DESC", [
        chatId,
        ownerId,
      ]),

    find: (ownerId, runId) => findOne("id = ? AND owner_id = ?", [runId, ownerId]),

    async answer(run) {
      const { rows } = await db.read({
        sql: `SELECT * FROM messages
              WHERE chat_id = ? AND id = ? AND (parent_key = ? OR key = ?)`,
        args: [run.chatId, run.messageId, run.promptKey, run.promptKey],
      });
      return rows[0] && toMessage(rows[0]);
    },

    async abandoned(owner, time) {
      const lost = abandonedBy(owner, time);
      const { rows } = await db.read({
        sql: `${SELECT} WHERE state = 'running' AND ${lost.sql}`,
        args: lost.args,
      });
      return rows.map(toFound);
    },

    async takeOver(run, lease, time) {
      const lost = abandonedBy(lease.owner, time);
      const [result] = await db.write([{
        sql: `UPDATE runs SET lease_owner = ?, lease_until = ?
              WHERE id = ? AND state = 'running' AND ${lost.sql}`,
        args: [lease.owner, lease.until, run.id, ...lost.args],
      }]);
      return result?.rowsAffected === 1;
    },

    async renew(lease, runIds) {
      const [result] = await db.write([{
        sql: `UPDATE runs SET lease_until = ? WHERE lease_owner = ? AND state = 'running'
              AND id IN (SELECT value FROM json_each(?)) RETURNING id`,
        args: [lease.until, lease.owner, JSON.stringify(runIds)],
      }]);
      return result?.rows.map((row) => row["id"] as string) ?? [];
    },

    async requestStop(ownerId, runId) {
      const [result] = await db.write([{
        sql: `UPDATE runs SET stop_requested = 1
              WHERE id = ? AND owner_id = ? AND state = 'running'`,
        args: [runId, ownerId],
      }]);
      return result?.rowsAffected === 1;
    },

    async stopRequests(leaseOwner) {
      const { rows } = await db.read({
        sql: "SELECT id FROM runs WHERE state = 'running' AND stop_requested AND lease_owner = ?",
        args: [leaseOwner],
      });
      return rows.map((row) => row["id"] as string);
    },

    async events(runId, after, limit) {
      const { rows } = await db.read(selectEvents(runId, after, limit));
      return rows.flatMap((row) => {
        const first = row["seq"] as number;
        const events = JSON.parse(row["data"] as string) as RunEvent[];
        return events.map((event, index) => ({ seq: first + index, event }));
      }).filter(({ seq }) => seq > after);
    },

    expireLogs: (time) => expireEvents(db, time),

    async keyed(chatId, key) {
      const { rows } = await db.read({
        sql: "SELECT run_id, hash FROM sends WHERE chat_id = ? AND key = ?",
        args: [chatId, key],
      });
      const row = rows[0];
      return row && { runId: row["run_id"] as string, hash: row["hash"] as string };
    },

    async keepKey(keyed, run) {
      try {
        await db.write([insertKeyed(keyed, run)]);
        return true;
      } catch (error) {
        if (isUniqueViolation(error)) return false;
        throw error;
      }
    },

    async expireKeys(time) {
      await db.write([{ sql: "DELETE FROM sends WHERE created_at < ?", args: [time] }]);
    },

    durable: () => db.durable(),
  };
}

const SELECT = `SELECT id, chat_id, owner_id, prompt_key, message_id, model, protocol, created_at,
  text_only, state, failure,
  ${LAST_SEQ} AS last_seq FROM runs`;

/** A live run is nobody's when its lease has ended; with no time given, when it is another's. */
function abandonedBy(owner: string, time: number | undefined) {
  return time === undefined
    ? { sql: "lease_owner <> ?", args: [owner] }
    : { sql: "lease_until < ?", args: [time] };
}

function failureOf(json: string | null): RunFailure | null {
  return json === null ? null : JSON.parse(json) as RunFailure;
}

function toFound(row: Row): FoundRun {
  return {
    run: {
      id: row["id"] as string,
      chatId: row["chat_id"] as string,
      ownerId: row["owner_id"] as string,
      promptKey: row["prompt_key"] as string,
      messageId: row["message_id"] as string,
      model: row["model"] as string,
      protocol: row["protocol"] as string,
      createdAt: row["created_at"] as number,
      textOnly: row["text_only"] === 1,
    },
    state: row["state"] as FoundRun["state"],
    failure: failureOf(row["failure"] as string | null),
    lastSeq: (row["last_seq"] as number | null) ?? 0,
  };
}
