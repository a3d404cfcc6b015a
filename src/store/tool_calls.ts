import type { GivenAnswer, JournaledCall } from "../domain/approval.ts";
import { isAsked, type Part } from "../domain/message.ts";
import type { RunRecord } from "../domain/records.ts";
import type { ToolCallStore } from "../domain/tool_ports.ts";
import type { Database } from "./database.ts";
import { updateMessage } from "./messages.ts";
import { sql, type Statement } from "./statement.ts";

/** A row of the table `tool_calls`. */
interface CallRow extends
  Omit<
    JournaledCall,
    "input" | "request" | "question" | "answers" | "isRepeatable" | "isInDoubt"
  > {
  input: string;
  request?: string | null;
  question: string | null;
  answers: string | null;
  isRepeatable: number;
  isInDoubt: number;
}

/** How many bytes of inputs one list gives: servers limit their answers. */
const PAGE = 1_500_000;

/** All columns but the input, which may be large. */
const COLUMNS_BESIDE =
  sql`tool_calls.id, tool_calls.run_id AS "runId", tool_calls.chat_id AS "chatId",
  tool_calls.owner_id AS "ownerId", message_id AS "messageId", message_key AS "messageKey",
  tool_call_id AS "toolCallId", tool, hash, state, is_repeatable AS "isRepeatable",
  is_in_doubt AS "isInDoubt",
  tool_calls.created_at AS "createdAt", expires_at AS "expiresAt", question, answers`;

const COLUMNS = sql`${COLUMNS_BESIDE}, input`;

/** What the calls of a message were asked with, which is stored once. */
const REQUEST = sql`(SELECT request FROM tool_calls AS known
  WHERE known.chat_id = tool_calls.chat_id AND known.message_key = tool_calls.message_key
    AND known.request IS NOT NULL
  ORDER BY known.rowid DESC LIMIT 1) AS request`;

/** The journal in the database. Only calls of runs of `owner`, this process, are begun. */
export function toolCallStore(db: Database, owner: string): ToolCallStore {
  return {
    async begin(calls) {
      const ids = JSON.stringify(calls.map(({ id, runId }) => [id, runId]));
      const results = await db.write([
        ...calls.map((call) => beginCall(call, owner)),
        // A try whose answer was lost has begun them.
        sql<{ id: string }>`SELECT tool_calls.id FROM json_each(${ids})
          JOIN tool_calls ON tool_calls.id = value ->> 0 AND run_id = value ->> 1
          WHERE state = 'running'`,
      ], { repeatable: true });
      return new Set(results.at(-1)!.rows.map(({ id }) => id));
    },

    ofRun: async (runId) =>
      (await db.all(sql<CallRow>`
        SELECT ${COLUMNS} FROM tool_calls WHERE run_id = ${runId} ORDER BY rowid`)).map(toCall),

    async find(ownerId, id) {
      const row = await db.get(sql<CallRow>`
        SELECT ${COLUMNS}, ${REQUEST} FROM tool_calls WHERE id = ${id} AND owner_id = ${ownerId}`);
      return row && toCall(row);
    },

    async waiting(ownerId, now, { limit, ...page }) {
      // One more shows whether there are more.
      const rows = await db.all(selectWaiting(ownerId, now, { ...page, limit: limit + 1 }));
      const isPart = (row: WaitingRow) => row.total <= PAGE || row.total === row.size;
      const calls = rows.slice(0, limit).filter(isPart)
        .map(({ place, total: _, size: __, ...row }) => ({ ...toCall(row), place }));
      return { calls, hasMore: calls.length < rows.length };
    },

    async remembered(chatId) {
      const rows = await db.all(sql<{ tool: string; approved: number }>`
        SELECT tool, state <> 'denied' AS approved FROM tool_calls
        WHERE chat_id = ${chatId} AND remembered ORDER BY tool, answered_at`);
      return new Map(rows.map(({ tool, approved }) => [tool, approved === 1]));
    },

    async answer(given, message) {
      const { key, parts } = message;
      const still = stillWait(parts);
      const [{ rowsAffected }] = await db.write([
        updateMessage(message, sql`${canAnswer([given], key)} AND ${still}`),
        answerCall(given, sql`${isLast(key)} AND ${still}`),
      ]);
      return rowsAffected === 1;
    },
  };
}

/** A call that waits, with the size of its input, and of those before it in the page with it. */
type WaitingRow = CallRow & { place: number; size: number; total: number };

/** A page of the calls that wait, the oldest first: of answers that their chats end in. */
function selectWaiting(
  ownerId: string,
  now: number,
  { after = 0, limit, chatId }: { after?: number; limit: number; chatId?: string },
): Statement<WaitingRow> {
  const isIn = chatId === undefined ? sql`true` : sql`tool_calls.chat_id = ${chatId}`;
  return sql<WaitingRow>`
    WITH
      waiting AS (
        SELECT tool_calls.rowid AS place, octet_length(input) AS size
        FROM tool_calls CROSS JOIN chats ON chats.id = tool_calls.chat_id
        WHERE tool_calls.owner_id = ${ownerId} AND state = 'asked' AND expires_at > ${now}
          AND chats.leaf_key = message_key AND chats.owner_id = ${ownerId}
          AND tool_calls.rowid > ${after} AND ${isIn}
        ORDER BY tool_calls.rowid LIMIT ${limit}),
      page AS (
        SELECT *, sum(size) OVER (ORDER BY place ROWS UNBOUNDED PRECEDING) AS total FROM waiting)
    SELECT ${COLUMNS_BESIDE}, place, size, total,
      CASE WHEN total <= ${PAGE} OR total = size THEN input ELSE '{}' END AS input
    FROM page CROSS JOIN tool_calls ON tool_calls.rowid = page.place ORDER BY place`;
}

/**
 * Notes that a call is about to run: a new one, or one with a yes for just this. It changes a row only
 * if its run is live here, and an approved call only once.
 */
function beginCall(call: JournaledCall, owner: string): Statement<never> {
  const isLive = sql`EXISTS (SELECT 1 FROM runs
    WHERE id = ${call.runId} AND state = 'running' AND lease_owner = ${owner})`;
  if (call.state === "approved") {
    return sql`
      UPDATE tool_calls SET state = 'running'
      WHERE id = ${call.id} AND state = 'approved' AND run_id = ${call.runId}
        AND hash = ${call.hash} AND ${isLive}`;
  }
  return insertCalls([{ ...call, state: "running" }], isLive);
}

/**
 * The statement that writes calls into the journal under a condition. What a run was asked with may be
 * large, with the tools of its client: only the first of its calls has it.
 */
export function insertCalls(
  calls: readonly JournaledCall[],
  condition: Statement = sql`true`,
): Statement<never> {
  const of = (name: keyof JournaledCall) => sql`value ->> ${`$.${name}`}`;
  let last: JournaledCall["request"] = null;
  const rows = calls.map((call) => {
    const request = call.request === last ? null : call.request;
    last = call.request;
    return {
      ...call,
      input: JSON.stringify(call.input),
      request: request && JSON.stringify(request),
      question: call.question && JSON.stringify(call.question),
      answers: JSON.stringify(call.answers),
    };
  });
  const isKnown = sql`${of("request")} IS NOT NULL AND ${of("request")} IN
    (SELECT request FROM tool_calls AS known WHERE known.run_id = ${of("runId")})`;
  return sql`
    INSERT INTO tool_calls (id, run_id, chat_id, owner_id, message_id, message_key, tool_call_id,
      tool, input, hash, state, is_repeatable, is_in_doubt, created_at, expires_at, request,
      question, answers)
    SELECT ${of("id")}, ${of("runId")}, ${of("chatId")}, ${of("ownerId")}, ${of("messageId")},
      ${of("messageKey")}, ${of("toolCallId")}, ${of("tool")}, ${of("input")}, ${of("hash")},
      ${of("state")}, ${of("isRepeatable")}, ${of("isInDoubt")}, ${of("createdAt")},
      ${of("expiresAt")}, CASE WHEN ${isKnown} THEN NULL ELSE ${of("request")} END,
      ${of("question")}, ${of("answers")}
    FROM json_each(${JSON.stringify(rows)}) WHERE ${condition}
    ON CONFLICT DO NOTHING`;
}

/** The statement that answers a call that waits, once. */
export function answerCall(
  { id, approved, reason, remember, answers, answeredAt }: GivenAnswer,
  condition: Statement = sql`true`,
): Statement<never> {
  return sql`
    UPDATE tool_calls SET state = ${approved ? "approved" : "denied"}, reason = ${reason ?? null},
      remembered = ${remember ?? false}, answers = ${
    JSON.stringify(answers)
  }, answered_at = ${answeredAt}
    WHERE id = ${id} AND state = 'asked' AND expires_at > ${answeredAt} AND ${condition}`;
}

/** True if all of these calls wait, are of that message, and its chat ends in it. */
export function canAnswer(answers: readonly GivenAnswer[], messageKey: string): Statement {
  if (answers.length === 0) return sql`true`;
  const ids = JSON.stringify(answers.map(({ id }) => id));
  const now = answers[0]!.answeredAt;
  return sql`(SELECT count(*) FROM json_each(${ids}) JOIN tool_calls ON tool_calls.id = value
    WHERE state = 'asked' AND expires_at > ${now} AND ${isLast(messageKey)}) = ${answers.length}`;
}

/** True unless another process has answered one of the calls that wait by these parts. */
function stillWait(parts: readonly Part[]): Statement {
  const ids = parts.filter(isAsked).flatMap(({ approval }) => approval?.id ?? []);
  if (ids.length === 0) return sql`true`;
  return sql`NOT EXISTS (SELECT 1 FROM json_each(${JSON.stringify(ids)})
    JOIN tool_calls AS other ON other.id = value WHERE other.state <> 'asked')`;
}

/** True for a call of that message, if its chat ends in it. */
function isLast(messageKey: string): Statement {
  return sql`message_key = ${messageKey} AND EXISTS (SELECT 1 FROM chats
    WHERE chats.id = tool_calls.chat_id AND leaf_key = message_key)`;
}

/**
 * The statement that gives answered calls to the run that goes on with them. A copy of their message, in
 * a fork, names them too: it gets none.
 */
export function moveCalls(ids: readonly string[], run: RunRecord): Statement<never> {
  return sql`
    UPDATE tool_calls SET run_id = ${run.id}
    WHERE id IN (SELECT value FROM json_each(${JSON.stringify(ids)}))
      AND chat_id = ${run.chatId} AND message_key = ${run.promptKey}
      AND state IN ('approved', 'denied')`;
}

/** The statement that closes the calls of a run that ends; those in doubt stay so. */
export function closeCalls(
  runId: string,
  as: "done" | "unknown",
  condition: Statement,
): Statement<never> {
  return sql`
    UPDATE tool_calls SET state = ${as}
    WHERE run_id = ${runId} AND state IN ('running', 'approved') AND ${condition}`;
}

function toCall(
  { input, request, question, answers, isRepeatable, isInDoubt, ...row }: CallRow,
): JournaledCall {
  return {
    ...row,
    input: JSON.parse(input),
    request: request ? JSON.parse(request) : null,
    question: JSON.parse(question ?? "null"),
    answers: JSON.parse(answers ?? "{}"),
    isRepeatable: isRepeatable === 1,
    isInDoubt: isInDoubt === 1,
  };
}
