import type { Row } from "@libsql/client";
import type { RunEvent } from "../domain/event.ts";
import type { EventGroup, RunBeginning, RunEnding, RunRecord, RunStore } from "../domain/ports.ts";
import type { Database, Statement } from "./database.ts";
import { isMissingRow, isUniqueViolation } from "./failure.ts";
import { closeAttempt, openAttempt } from "./ledger.ts";
import { insertMessage } from "./messages.ts";

/** Runs and their logs in the database. */
export function runStore(db: Database): RunStore {
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

    async live(ownerId, chatId) {
      const { rows } = await db.read({
        sql: `SELECT ${COLUMNS} FROM runs
              WHERE chat_id = ? AND owner_id = ? AND state = 'running'`,
        args: [chatId, ownerId],
      });
      return rows[0] && toRun(rows[0]);
    },

    async unfinished() {
      const { rows } = await db.read(`SELECT ${COLUMNS} FROM runs WHERE state = 'running'`);
      return rows.map(toRun);
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

    async expire(time) {
      await db.write([{
        sql: `DELETE FROM events WHERE run_id IN
                (SELECT id FROM runs WHERE ended_at < ?)`,
        args: [time],
      }]);
    },

    durable: () => db.durable(),
  };
}

const COLUMNS = "id, chat_id, owner_id, prompt_key, message_id, model, created_at";

function beginStatements({ run, message, leafKey, attempt }: RunBeginning): Statement[] {
  // The run's prompt is looked up under the conditions of the decision: where they no longer hold
  // it is null, which the table refuses, and the whole transaction with it.
  return [
    ...(message ? [insertMessage(run.chatId, message)] : []),
    {
      sql:
        `INSERT INTO runs (id, chat_id, owner_id, message_id, model, created_at, state, prompt_key)
            VALUES (?, ?, ?, ?, ?, ?, 'running',
              (SELECT m.key FROM messages m JOIN chats c ON c.id = m.chat_id
               WHERE m.key = ? AND c.id = ? AND c.owner_id = ? AND c.leaf_key IS ?))`,
      args: [
        run.id,
        run.chatId,
        run.ownerId,
        run.messageId,
        run.model,
        run.createdAt,
        run.promptKey,
        run.chatId,
        run.ownerId,
        leafKey,
      ],
    },
    openAttempt(attempt),
    {
      sql: "UPDATE chats SET leaf_key = ?, updated_at = max(updated_at, ?) WHERE id = ?",
      args: [run.promptKey, run.createdAt, run.chatId],
    },
  ];
}

function endStatements({ run, state, failure, endedAt, message, attempt }: RunEnding): Statement[] {
  const running = {
    sql: "EXISTS (SELECT 1 FROM runs WHERE id = ? AND state = 'running')",
    args: [run.id],
  };
  return [
    ...(message
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

function toRun(row: Row): RunRecord {
  return {
    id: row["id"] as string,
    chatId: row["chat_id"] as string,
    ownerId: row["owner_id"] as string,
    promptKey: row["prompt_key"] as string,
    messageId: row["message_id"] as string,
    model: row["model"] as string,
    createdAt: row["created_at"] as number,
  };
}
