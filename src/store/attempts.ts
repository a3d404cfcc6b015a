import type { Attempt, AttemptEnd } from "../domain/attempt.ts";
import type { AttemptStore, UsageRow } from "../domain/ports.ts";
import type { Usage } from "../domain/usage.ts";
import type { Database } from "./database.ts";
import { isUniqueViolation } from "./failure.ts";
import { sql, type Statement, statement, type Value } from "./statement.ts";

const REPEATABLE = { repeatable: true };

/** The ledger in the database. */
export function attemptStore(db: Database): AttemptStore {
  return {
    async open(attempt) {
      const isWanted = attempt.runId === null
        ? sql`true`
        : sql`EXISTS (SELECT 1 FROM runs WHERE id = ${attempt.runId} AND state = 'running')`;
      try {
        const [{ rowsAffected }] = await db.write([openAttempt(attempt, isWanted)], REPEATABLE);
        return rowsAffected === 1;
      } catch (error) {
        // Its id is its own: a try whose answer was lost has opened it.
        if (isUniqueViolation(error)) return true;
        throw error;
      }
    },

    async close(id, end) {
      await db.write([closeAttempt(id, end)], REPEATABLE);
    },

    async closeOpen(runId, end) {
      await db.write([closeAttemptsOf(runId, end)]);
    },

    async closeTitles(time, end) {
      const isOld = sql`kind = 'title' AND started_at < ${time}`;
      await db.write([closeIf(isOld, end, { inputTokens: sql`input_tokens` })]);
    },

    // The plus keeps SQLite from the index by owner, which has all of the owner's chats.
    ofChat: (ownerId, chatId) =>
      sumsOf(db, sql`NULL`, sql`chat_id = ${chatId} AND +owner_id = ${ownerId}`),

    since: (ownerId, startedAt) =>
      sumsOf(
        db,
        sql`date(started_at / 1000, 'unixepoch')`,
        sql`owner_id = ${ownerId} AND started_at >= ${startedAt}`,
      ),
  };
}

/** A row of sums. */
interface SumsRow extends Omit<UsageRow, "usage">, Omit<Usage, "estimated"> {
  estimated: number;
}

/** The sums of attempts under a condition, by day and model, the newest day first. */
async function sumsOf(db: Database, day: Statement, condition: Statement): Promise<UsageRow[]> {
  const rows = await db.all(sql<SumsRow>`
    SELECT ${day} AS day, provider, model, count(*) AS attempts,
      ${sumOf(sql`input_tokens`)} AS "inputTokens", ${sumOf(sql`output_tokens`)} AS "outputTokens",
      ${sumOf(sql`cached_tokens`)} AS "cachedTokens",
      ${sumOf(sql`reasoning_tokens`)} AS "reasoningTokens",
      max(estimated) AS estimated, round(avg(first_token_ms)) AS "firstTokenMs"
    FROM attempts WHERE ${condition}
    GROUP BY day, provider, model ORDER BY day DESC, provider, model`);
  return rows.map(({ day, provider, model, attempts, firstTokenMs, estimated, ...tokens }) => (
    {
      day,
      provider,
      model,
      attempts,
      firstTokenMs,
      usage: { ...tokens, estimated: estimated === 1 },
    }
  ));
}

/** A sum of counts. `sum` fails beyond 64 bits, and the client beyond what JavaScript counts exactly. */
function sumOf(column: Statement): Statement {
  const most = statement(String(Number.MAX_SAFE_INTEGER));
  return sql`CAST(min(total(max(0, ${column})), ${most}) AS INTEGER)`;
}

/** The statement that opens an attempt under a condition. */
export function openAttempt(
  attempt: Attempt,
  condition: Statement = sql`true`,
): Statement<never> {
  const { id, runId, chatId, ownerId, kind, provider, model, startedAt, promptTokens } = attempt;
  return sql`
    INSERT INTO attempts
      (id, run_id, chat_id, owner_id, kind, provider, model, started_at, input_tokens, estimated, outcome)
    SELECT ${id}, ${runId}, ${chatId}, ${ownerId}, ${kind}, ${provider}, ${model}, ${startedAt},
      ${promptTokens}, true, 'open'
    WHERE ${condition}`;
}

/** The statement that closes an attempt, once. */
export function closeAttempt(id: string, end: AttemptEnd): Statement<never> {
  return closeIf(sql`id = ${id}`, end);
}

/**
 * The statement that closes the open attempts of a run under a condition. The output tokens of `end`
 * are those of the whole run: the newest attempt gets those that closed attempts do not have. Each keeps
 * the estimate of its input.
 */
export function closeAttemptsOf(
  runId: string,
  end: AttemptEnd,
  condition: Statement = sql`true`,
): Statement<never> {
  // The index finds closed attempts by their chat alone.
  const closed = sql`
    SELECT total(output_tokens) FROM attempts
    WHERE chat_id = (SELECT chat_id FROM attempts WHERE run_id = ${runId} AND outcome = 'open')
      AND run_id = ${runId} AND outcome <> 'open'`;
  const newest = sql`SELECT max(rowid) FROM attempts WHERE run_id = ${runId} AND outcome = 'open'`;
  return closeIf(
    sql`run_id = ${runId} AND ${condition}`,
    end,
    {
      inputTokens: sql`input_tokens`,
      outputTokens:
        sql`CASE rowid WHEN (${newest}) THEN max(0, ${end.usage.outputTokens} - (${closed})) ELSE 0 END`,
    },
  );
}

/** What a closed attempt has instead of the tokens of its end. */
interface ClosedTokens {
  inputTokens?: Value | Statement;
  outputTokens?: Value | Statement;
}

function closeIf(
  condition: Statement,
  { outcome, failureClass, firstTokenMs, endedAt, usage }: AttemptEnd,
  { inputTokens = usage.inputTokens, outputTokens = usage.outputTokens }: ClosedTokens = {},
): Statement<never> {
  return sql`
    UPDATE attempts SET outcome = ${outcome}, failure_class = ${failureClass},
      first_token_ms = ${firstTokenMs}, ended_at = ${endedAt},
      input_tokens = ${inputTokens}, output_tokens = ${outputTokens},
      cached_tokens = ${usage.cachedTokens}, reasoning_tokens = ${usage.reasoningTokens},
      estimated = ${usage.estimated}
    WHERE outcome = 'open' AND ${condition}`;
}
