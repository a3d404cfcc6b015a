import type { RunStore } from "../domain/ports.ts";
import type { ChatState, FoundRun, RunRecord } from "../domain/records.ts";
import type { Buckets } from "./buckets.ts";
import type { Database } from "./database.ts";
import { LAST_SEQ } from "./events.ts";
import { isMissingRow, isUniqueViolation } from "./failure.ts";
import { messageStore, selectAnswer } from "./messages.ts";
import { beginStatements } from "./run_statements.ts";
import { sql, type Statement } from "./statement.ts";
import { toView, viewColumns, type ViewRow } from "./views.ts";

/** A row of the table `runs`, with the end of its log. */
export interface RunRow extends Omit<RunRecord, "textOnly"> {
  textOnly: number;
  state: FoundRun["state"];
  failure: string | null;
  lastSeq: number | null;
  owner: string;
}

/** The columns of a `RunRow`. */
export const RUN_COLUMNS = sql`runs.id, runs.chat_id AS "chatId", runs.owner_id AS "ownerId",
  runs.prompt_key AS "promptKey", runs.message_id AS "messageId", runs.model, runs.protocol,
  runs.created_at AS "createdAt", runs.text_only AS "textOnly", runs.state, runs.failure,
  runs.lease_owner AS owner, ${LAST_SEQ} AS "lastSeq"`;

/** Runs in the database. */
export function runStore(db: Database, buckets: Buckets): RunStore {
  const messages = messageStore(db);
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

    async current(ownerId, chatId) {
      const row = await db.get(sql<StateRow>`
        SELECT ${STATE_COLUMNS} ${fromChat(ownerId, chatId)}`);
      return row && toState(row);
    },

    async view(ownerId, chatId, wanted) {
      const row = await db.get(sql<StateRow & ViewRow>`
        SELECT ${STATE_COLUMNS}, ${viewColumns(wanted)} ${fromChat(ownerId, chatId)}`);
      return row && { ...toView({ id: chatId, ownerId }, row), state: toState(row) };
    },

    async find(ownerId, runId) {
      const row = await db.get(sql<RunRow>`
        SELECT ${RUN_COLUMNS} FROM runs WHERE id = ${runId} AND owner_id = ${ownerId}`);
      return row && toFound(row);
    },

    async answer(run) {
      const found = await db.get(selectAnswer(run));
      return found && (await messages.read(run.chatId, [found.key]))[0];
    },
  };
}

/** A chat with its live run, or with nulls in place of one. */
type StateRow =
  & { leafKey: string | null; waiting: number; bytes: number; isHeld: number }
  & (RunRow | NoRun);
type NoRun = { [Column in keyof RunRow]: null };

const STATE_COLUMNS = sql`chats.leaf_key AS "leafKey", chats.bytes + coalesce(
    (SELECT sum(octet_length(request)) FROM queue WHERE chat_id = chats.id), 0) AS bytes,
  (SELECT count(*) FROM queue
    WHERE owner_id = chats.owner_id AND chat_id = chats.id AND queue.failure IS NULL)
    AS waiting, queue_held AS "isHeld", ${RUN_COLUMNS}`;

function fromChat(ownerId: string, chatId: string): Statement {
  return sql`FROM chats LEFT JOIN runs ON runs.chat_id = chats.id AND runs.state = 'running'
    WHERE chats.id = ${chatId} AND chats.owner_id = ${ownerId}`;
}

function toState(row: StateRow): ChatState {
  const { leafKey, waiting, bytes, isHeld } = row;
  const live = isRun(row) ? toFound(row) : undefined;
  return { leafKey, waiting, bytes, isHeld: isHeld === 1, live };
}

function isRun(row: StateRow): row is StateRow & RunRow {
  return row.id !== null;
}

/** The run of a row. */
export function toFound(row: RunRow): FoundRun {
  const { id, chatId, ownerId, promptKey, messageId, model, protocol, createdAt, textOnly } = row;
  const known = { id, chatId, ownerId, promptKey, messageId, model, protocol, createdAt };
  return {
    run: { ...known, textOnly: textOnly === 1 },
    state: row.state,
    failure: JSON.parse(row.failure ?? "null"),
    lastSeq: row.lastSeq ?? 0,
    owner: row.owner,
  };
}
