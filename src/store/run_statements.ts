/** The statements that begin and end runs. */
import type { RunBeginning, RunEnding } from "../domain/records.ts";
import { closeAttempt, closeAttemptsOf, openAttempt } from "./attempts.ts";
import { addFiles } from "./files.ts";
import { insertMessage, setStatus, updateMessage } from "./messages.ts";
import { insertKeyed } from "./send_keys.ts";
import { sql, type Statement } from "./statement.ts";
import { answerCall, canAnswer, closeCalls, insertCalls, moveCalls } from "./tool_calls.ts";

/** The transaction that stores the beginning of a run. */
export function beginStatements(beginning: RunBeginning, bucket: number): Statement<never>[] {
  const { run, prompt, store, attempt, keyed, queued, fileIds, approvals } = beginning;
  const released = queued ? sql`` : sql`, queue_held = 0`;
  return [
    ...(store === "insert" ? [insertMessage(run.chatId, prompt)] : []),
    insertRun(beginning, bucket),
    ...(store === "update" ? [updateMessage(prompt)] : []),
    ...(store === "keep" && prompt.status !== "completed"
      ? [setStatus(prompt.key, "completed", null)]
      : []),
    openAttempt(attempt),
    sql`UPDATE chats SET leaf_key = ${run.promptKey},
        updated_at = max(updated_at, ${run.createdAt})${released}
      WHERE id = ${run.chatId}`,
    ...(queued ? [sql`DELETE FROM queue WHERE run_id = ${run.id}`] : []),
    ...(fileIds.length > 0 ? [addFiles(fileIds, run)] : []),
    ...(keyed ? [insertKeyed(keyed, run)] : []),
    ...(approvals?.answers ?? []).map((answer) => answerCall(answer)),
    ...(approvals ? [moveCalls(approvals.ids, run)] : []),
  ];
}

/**
 * Looks up the prompt under the conditions that the request was checked for: if they no longer hold, it
 * is null, which the table refuses, and the transaction fails.
 */
function insertRun(
  { run, leafKey, lease, queued, approvals }: RunBeginning,
  bucket: number,
): Statement<never> {
  // The queued message may have been removed meanwhile.
  const waits = queued ? sql`EXISTS (SELECT 1 FROM queue WHERE run_id = ${run.id})` : sql`true`;
  return sql`
    INSERT INTO runs (id, chat_id, owner_id, message_id, model, protocol, created_at, text_only,
      lease_owner, lease_until, first_bucket, state, prompt_key)
    VALUES (${run.id}, ${run.chatId}, ${run.ownerId}, ${run.messageId}, ${run.model},
      ${run.protocol}, ${run.createdAt}, ${run.textOnly}, ${lease.owner}, ${lease.until}, ${bucket},
      'running',
      (SELECT m.key FROM messages m JOIN chats c ON c.id = m.chat_id
       WHERE m.key = ${run.promptKey} AND c.id = ${run.chatId} AND c.owner_id = ${run.ownerId}
         AND c.leaf_key IS ${leafKey} AND ${waits}
         AND ${canAnswer(approvals?.answers ?? [], run.promptKey)}))`;
}

/** The transaction that stores the end of a run: its last statement changes one row if the run is live. */
export function endStatements(
  { run, state, failure, endedAt, message, attempt, calls }: RunEnding,
  bucket: number,
  owner: string,
): Statement<never>[] {
  const live = sql`id = ${run.id} AND state = 'running' AND lease_owner = ${owner}`;
  const isLive = sql`EXISTS (SELECT 1 FROM runs WHERE ${live})`;
  return [
    ...(message?.key === run.promptKey ? [updateMessage(message, isLive)] : []),
    ...(message && message.key !== run.promptKey
      ? [
        insertMessage(run.chatId, message, isLive),
        sql`UPDATE chats SET leaf_key = ${message.key}, updated_at = max(updated_at, ${endedAt})
          WHERE id = ${run.chatId} AND leaf_key = ${run.promptKey} AND ${isLive}`,
      ]
      : []),
    // A question without an answer shows why it has none.
    ...(message ? [] : [setStatus(run.promptKey, state, failure, isLive)]),
    ...(attempt
      ? [
        // This process pays for its own request, whoever has the run by now.
        attempt.id === undefined
          ? closeAttemptsOf(run.id, attempt.end, isLive)
          : closeAttempt(attempt.id, attempt.end),
      ]
      : []),
    ...(calls ? [closeCalls(run.id, calls.begun, isLive)] : []),
    ...(calls && calls.asked.length > 0
      ? [
        insertCalls(calls.asked, isLive),
        // What waits would leave the question behind: it goes on after the answer, or with a new send.
        sql`UPDATE chats SET queue_held = 1
          WHERE id = ${run.chatId} AND ${isLive} AND EXISTS (SELECT 1 FROM queue
            WHERE queue.chat_id = chats.id AND queue.failure IS NULL)`,
      ]
      : []),
    sql`UPDATE runs SET state = ${state}, failure = ${failure && JSON.stringify(failure)},
        ended_at = ${endedAt}, last_bucket = max(${bucket}, first_bucket)
      WHERE ${live}`,
  ];
}

/** The runs that another process has taken over, or that are gone with their chat. */
export function selectLost(runIds: string[], owner: string): Statement<{ id: string }> {
  return sql`
    SELECT value AS id FROM json_each(${JSON.stringify(runIds)})
    WHERE NOT EXISTS (SELECT 1 FROM runs WHERE id = value AND lease_owner = ${owner})`;
}
