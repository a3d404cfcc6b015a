import type { Attempt, AttemptEnd } from "../domain/attempt.ts";
import type { Ledger } from "../domain/ports.ts";
import type { Database, Statement } from "./database.ts";

/** The ledger in the database. */
export function ledger(db: Database): Ledger {
  return {
    async open(attempt) {
      await db.write([openAttempt(attempt)]);
    },
    async close(id, end) {
      await db.write([closeAttempt(id, end)]);
    },
  };
}

/** The statement that opens an attempt. */
export function openAttempt(attempt: Attempt): Statement {
  return {
    sql: `INSERT INTO attempts
            (id, run_id, chat_id, owner_id, kind, provider, model, started_at, outcome)
          VALUES (?, ?, ?, ?, ?, ?, ?, ?, 'open')`,
    args: [
      attempt.id,
      attempt.runId,
      attempt.chatId,
      attempt.ownerId,
      attempt.kind,
      attempt.provider,
      attempt.model,
      attempt.startedAt,
    ],
  };
}

/** The statement that closes an attempt, once. */
export function closeAttempt(id: string, end: AttemptEnd): Statement {
  const { usage } = end;
  return {
    sql: `UPDATE attempts SET outcome = ?, failure_class = ?, first_token_ms = ?, ended_at = ?,
            input_tokens = ?, output_tokens = ?, cached_tokens = ?, reasoning_tokens = ?,
            estimated = ?
          WHERE id = ? AND outcome = 'open'`,
    args: [
      end.outcome,
      end.failureClass,
      end.firstTokenMs,
      end.endedAt,
      usage.inputTokens,
      usage.outputTokens,
      usage.cachedTokens,
      usage.reasoningTokens,
      usage.estimated,
      id,
    ],
  };
}
