import type { Row } from "@libsql/client";
import type { RunEvent } from "../domain/event.ts";
import type {
  EventGroup,
  FoundRun,
  KeyedSend,
  Lease,
  RunBeginning,
  RunEnding,
  RunRecord,
  RunStore,
} from "../domain/ports.ts";
import type { Database, Statement } from "./database.ts";
import { isMissingRow, isUniqueViolation } from "./failure.ts";
import { closeAttempt, openAttempt } from "./ledger.ts";
import { insertMessage, toMessage, updateMessage } from "./messages.ts";

/** Runs and their logs in the database. */
export function runStore(db: Database): RunStore {
  const findOne = async (where: string, args: string[]): Promise<FoundRun | undefined> => {
    const { rows } = await db.read({ sql: `${SELECT} WHERE ${where} LIMIT 1`, args });
    return rows[0] && toFound(rows[0]);
  };
  return {
    async begin(beginning) {
      try {
        await db.write(beginStatements(beginning));
        return "begun";
      } catch (error) {
        if (isUniqueViolation(error)) return "busy";
        if (isMissingRow(error)) return "moved";
        throw error;
      }
    },

    async append(groups, endings) {
      const statements = endings.flatMap(endStatements);
      if (groups.length > 0) statements.unshift(appendStatement(groups));
      await db.write(statements);
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

    async renew(lease) {
      const [result] = await db.write([{
        sql: `UPDATE runs SET lease_until = ?
              WHERE lease_owner = ? AND state = 'running' RETURNING id`,
        args: [lease.until, lease.owner],
      }]);
      return result?.rows.map((row) => row["id"] as string) ?? [];
    },

    async events(runId, after, limit) {
      const { rows } = await db.read({
        sql: `SELECT seq, data FROM events WHERE run_id = ? AND last_seq > ?
              ORDER BY seq LIMIT ?`,
        args: [runId, after, limit],
      });
      return rows.flatMap((row) => {
        const first = row["seq"] as number;
        const events = JSON.parse(row["data"] as string) as RunEvent[];
        return events.map((event, index) => ({ seq: first + index, event }));
      }).filter(({ seq }) => seq > after);
    },

    async expireLogs(time) {
      const expired = "logged AND ended_at < ?";
      await db.write([
        {
          sql: `DELETE FROM events WHERE run_id IN (SELECT id FROM runs WHERE ${expired})`,
          args: [time],
        },
        { sql: `UPDATE runs SET logged = 0 WHERE ${expired}`, args: [time] },
      ]);
    },

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
  state,
  (SELECT max(last_seq) FROM events WHERE run_id = runs.id) AS last_seq FROM runs`;

/** A live run is nobody's when its lease has ended; with no time given, when it is another's. */
function abandonedBy(owner: string, time: number | undefined) {
  return time === undefined
    ? { sql: "lease_owner <> ?", args: [owner] }
    : { sql: "lease_until < ?", args: [time] };
}

/** The statement that keeps a send's key, in the transaction of what it began. */
export function insertKeyed(
  keyed: KeyedSend,
  run: { id: string; chatId: string; createdAt: number },
  where: { sql: string; args: string[] } = { sql: "true", args: [] },
): Statement {
  return {
    sql: `INSERT INTO sends (chat_id, key, hash, run_id, created_at)
          SELECT ?, ?, ?, ?, ? WHERE ${where.sql}`,
    args: [run.chatId, keyed.key, keyed.hash, run.id, run.createdAt, ...where.args],
  };
}

function beginStatements(
  { run, prompt, store, leafKey, attempt, lease, keyed, queued }: RunBeginning,
): Statement[] {
  return [
    ...(store === "insert" ? [insertMessage(run.chatId, prompt)] : []),
    insertRun(run, leafKey, lease),
    ...(store === "update" ? [updateMessage(prompt)] : []),
    openAttempt(attempt),
    {
      sql: "UPDATE chats SET leaf_key = ?, updated_at = max(updated_at, ?) WHERE id = ?",
      args: [run.promptKey, run.createdAt, run.chatId],
    },
    ...(queued ? [{ sql: "DELETE FROM queue WHERE run_id = ?", args: [run.id] }] : []),
    ...(keyed ? [insertKeyed(keyed, run)] : []),
  ];
}

/**
 * The run's prompt is looked up under the conditions of the decision: where they no longer hold it
 * is null, which the table refuses, and the whole transaction with it.
 */
function insertRun(run: RunRecord, leafKey: string | null, lease: Lease): Statement {
  return {
    sql:
      `INSERT INTO runs (id, chat_id, owner_id, message_id, model, protocol, created_at, lease_owner,
            lease_until, state, prompt_key)
          VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'running',
            (SELECT m.key FROM messages m JOIN chats c ON c.id = m.chat_id
             WHERE m.key = ? AND c.id = ? AND c.owner_id = ? AND c.leaf_key IS ?))`,
    args: [
      run.id,
      run.chatId,
      run.ownerId,
      run.messageId,
      run.model,
      run.protocol,
      run.createdAt,
      lease.owner,
      lease.until,
      run.promptKey,
      run.chatId,
      run.ownerId,
      leafKey,
    ],
  };
}

function endStatements({ run, state, failure, endedAt, message, attempt }: RunEnding): Statement[] {
  const running = {
    sql: "EXISTS (SELECT 1 FROM runs WHERE id = ? AND state = 'running')",
    args: [run.id],
  };
  return [
    ...(message?.key === run.promptKey ? [updateMessage(message, running)] : []),
    ...(message && message.key !== run.promptKey
      ? [
        insertMessage(run.chatId, message, running),
        {
          sql: `UPDATE chats SET leaf_key = ?, updated_at = max(updated_at, ?)
                WHERE id = ? AND leaf_key = ? AND ${running.sql}`,
          args: [message.key, endedAt, run.chatId, run.promptKey, ...running.args],
        },
      ]
      : []),
    ...(attempt ? [closeAttempt(attempt.id, attempt.end)] : []),
    {
      sql:
        "UPDATE runs SET state = ?, failure = ?, ended_at = ? WHERE id = ? AND state = 'running'",
      args: [state, failure && JSON.stringify(failure), endedAt, run.id],
    },
  ];
}

/** One statement for all runs: 60 % of the cost of an insert each. */
function appendStatement(groups: EventGroup[]): Statement {
  const rows = groups.map(({ runId, first, events }) => [
    runId,
    first,
    first + events.length - 1,
    JSON.stringify(events),
  ]);
  return {
    sql: `INSERT INTO events (run_id, seq, last_seq, data)
          SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?)`,
    args: [JSON.stringify(rows)],
  };
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
    },
    state: row["state"] as FoundRun["state"],
    lastSeq: (row["last_seq"] as number | null) ?? 0,
  };
}
