/** The statements that write runs and their logs. */
import type { KeyedSend, Lease, RunBeginning, RunEnding, RunRecord } from "../domain/ports.ts";
import type { Statement } from "./database.ts";
import { closeAttempt, openAttempt } from "./ledger.ts";
import { insertMessage, updateMessage } from "./messages.ts";

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

/** What stores the beginning of a run: one transaction. */
export function beginStatements(
  { run, prompt, store, leafKey, attempt, lease, keyed, queued }: RunBeginning,
  bucket: number,
): Statement[] {
  return [
    ...(store === "insert" ? [insertMessage(run.chatId, prompt)] : []),
    insertRun(run, leafKey, lease, queued, bucket),
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
function insertRun(
  run: RunRecord,
  leafKey: string | null,
  lease: Lease,
  queued: boolean,
  bucket: number,
): Statement {
  // It may have been taken back meanwhile.
  const waits = queued ? "AND EXISTS (SELECT 1 FROM queue WHERE run_id = ?)" : "";
  return {
    sql:
      `INSERT INTO runs (id, chat_id, owner_id, message_id, model, protocol, created_at, text_only,
            lease_owner, lease_until, first_bucket, state, prompt_key)
          VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'running',
            (SELECT m.key FROM messages m JOIN chats c ON c.id = m.chat_id
             WHERE m.key = ? AND c.id = ? AND c.owner_id = ? AND c.leaf_key IS ? ${waits}))`,
    args: [
      run.id,
      run.chatId,
      run.ownerId,
      run.messageId,
      run.model,
      run.protocol,
      run.createdAt,
      run.textOnly,
      lease.owner,
      lease.until,
      bucket,
      run.promptKey,
      run.chatId,
      run.ownerId,
      leafKey,
      ...(queued ? [run.id] : []),
    ],
  };
}

/**
 * What stores the end of a run. With `leaseOwner`, only where the run is still that process's.
 */
export function endStatements(
  { run, state, failure, endedAt, message, attempt }: RunEnding,
  bucket: number,
  leaseOwner: string | undefined,
): Statement[] {
  const live = {
    sql: `id = ? AND state = 'running'${leaseOwner === undefined ? "" : " AND lease_owner = ?"}`,
    args: [run.id, ...(leaseOwner === undefined ? [] : [leaseOwner])],
  };
  const running = { sql: `EXISTS (SELECT 1 FROM runs WHERE ${live.sql})`, args: live.args };
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
      sql: `UPDATE runs SET state = ?, failure = ?, ended_at = ?, last_bucket = ?
            WHERE ${live.sql}`,
      args: [state, failure && JSON.stringify(failure), endedAt, bucket, ...live.args],
    },
  ];
}

/** Which of the runs are another process's by now, or gone with their chat. */
export function lostStatement(runIds: string[], leaseOwner: string): Statement {
  return {
    sql: `SELECT value FROM json_each(?)
          WHERE NOT EXISTS (SELECT 1 FROM runs WHERE id = value AND lease_owner = ?)`,
    args: [JSON.stringify(runIds), leaseOwner],
  };
}
