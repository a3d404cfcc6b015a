import { and, type AnyColumn, count, desc, eq, gte, type SQL, sql as part } from "drizzle-orm";
import type { Attempt, AttemptEnd } from "../domain/attempt.ts";
import type { AttemptStore } from "../domain/ports.ts";
import { type Database, placeholders } from "./database.ts";
import { isUniqueViolation } from "./failure.ts";
import { attempts } from "./schema.ts";
import { sql, type Statement, type Value } from "./statement.ts";

const REPEATABLE = { repeatable: true };

/** The ledger in the database. */
export function attemptStore(db: Database): AttemptStore {
  const { ownerId, chatId, startedAt } = placeholders(attempts);
  // The plus keeps SQLite from the index by owner, which has all of the owner's chats.
  const isInChat = and(eq(attempts.chatId, chatId), part`+${attempts.ownerId} = ${ownerId}`);
  const ofChat = sumsOf(db, part`NULL`, isInChat);
  const isRecent = and(eq(attempts.ownerId, ownerId), gte(attempts.startedAt, startedAt));
  const since = sumsOf(db, part`date(${attempts.startedAt} / 1000, 'unixepoch')`, isRecent);
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

    ofChat: (ownerId, chatId) => db.ask(ofChat.all({ ownerId, chatId })),

    since: (ownerId, startedAt) => db.ask(since.all({ ownerId, startedAt })),
  };
}

/** The query of the sums of attempts under a condition, by day and model. */
function sumsOf({ orm }: Database, day: SQL<string | null>, condition: SQL | undefined) {
  return orm.select({
    day,
    provider: attempts.provider,
    model: attempts.model,
    attempts: count(),
    usage: {
      inputTokens: sumOf(attempts.inputTokens),
      outputTokens: sumOf(attempts.outputTokens),
      cachedTokens: sumOf(attempts.cachedTokens),
      reasoningTokens: sumOf(attempts.reasoningTokens),
      estimated: part`max(${attempts.estimated})`.mapWith(attempts.estimated),
    },
    firstTokenMs: part<number | null>`round(avg(${attempts.firstTokenMs}))`,
  }).from(attempts).where(condition)
    .groupBy(day, attempts.provider, attempts.model)
    .orderBy(desc(day), attempts.provider, attempts.model).prepare();
}

/** A sum of counts. `sum` fails beyond 64 bits, and the client beyond what JavaScript counts exactly. */
function sumOf(column: AnyColumn) {
  const most = part.raw(String(Number.MAX_SAFE_INTEGER));
  return part<number>`CAST(min(total(max(0, ${column})), ${most}) AS INTEGER)`;
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
