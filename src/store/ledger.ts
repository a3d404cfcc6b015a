import type { Row } from "@libsql/client";
import type { Attempt, AttemptEnd } from "../domain/attempt.ts";
import type { Ledger, UsageRow } from "../domain/ports.ts";
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
    async closeOpen(runId, end) {
      const { rows } = await db.read({
        sql:
          "SELECT total(output_tokens) AS told FROM attempts WHERE run_id = ? AND outcome <> 'open'",
        args: [runId],
      });
      const told = rows[0]!["told"] as number;
      const outputTokens = Math.max(0, end.usage.outputTokens - told);
      const usage = { ...end.usage, outputTokens };
      await db.write([closeWhere("run_id = ?", [runId], { ...end, usage })]);
    },
    async closeTitles(time, end) {
      await db.write([closeWhere("kind = 'title' AND started_at < ?", [time], end)]);
    },
    async ofChat(ownerId, chatId) {
      const { rows } = await db.read({
        sql: `SELECT NULL AS day, ${SUMS} WHERE chat_id = ? AND owner_id = ?
              GROUP BY provider, model ORDER BY provider, model`,
        args: [chatId, ownerId],
      });
      return rows.map(toUsageRow);
    },
    async since(ownerId, time) {
      const { rows } = await db.read({
        sql: `SELECT date(started_at / 1000, 'unixepoch') AS day, ${SUMS}
              WHERE owner_id = ? AND started_at >= ?
              GROUP BY day, provider, model ORDER BY day DESC, provider, model`,
        args: [ownerId, time],
      });
      return rows.map(toUsageRow);
    },
  };
}

const SUMS = `provider, model, count(*) AS attempts, sum(input_tokens) AS input_tokens,
  sum(output_tokens) AS output_tokens, sum(cached_tokens) AS cached_tokens,
  sum(reasoning_tokens) AS reasoning_tokens, max(estimated) AS estimated,
  avg(first_token_ms) AS first_token_ms FROM attempts`;

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
  return closeWhere("id = ?", [id], end);
}

function closeWhere(condition: string, args: (string | number)[], end: AttemptEnd): Statement {
  const { usage } = end;
  return {
    sql: `UPDATE attempts SET outcome = ?, failure_class = ?, first_token_ms = ?, ended_at = ?,
            input_tokens = ?, output_tokens = ?, cached_tokens = ?, reasoning_tokens = ?,
            estimated = ?
          WHERE outcome = 'open' AND ${condition}`,
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
      ...args,
    ],
  };
}

function toUsageRow(row: Row): UsageRow {
  const firstTokenMs = row["first_token_ms"] as number | null;
  return {
    day: row["day"] as string | null,
    provider: row["provider"] as string,
    model: row["model"] as string,
    attempts: row["attempts"] as number,
    usage: {
      inputTokens: row["input_tokens"] as number,
      outputTokens: row["output_tokens"] as number,
      cachedTokens: row["cached_tokens"] as number,
      reasoningTokens: row["reasoning_tokens"] as number,
      estimated: row["estimated"] === 1,
    },
    firstTokenMs: firstTokenMs === null ? null : Math.round(firstTokenMs),
  };
}
