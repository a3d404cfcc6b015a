import type { RunStore } from "../domain/ports.ts";
import type { FoundRun, RunRecord } from "../domain/records.ts";
import type { Buckets } from "./buckets.ts";
import type { Database } from "./database.ts";
import { LAST_SEQ } from "./events.ts";
import { isMissingRow, isUniqueViolation } from "./failure.ts";
import { messageStore, selectAnswer } from "./messages.ts";
import { beginStatements } from "./run_statements.ts";
import { sql } from "./statement.ts";

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
      const row = await db.get(sql<CurrentRow>`
        SELECT chats.leaf_key AS "leafKey", chats.bytes + coalesce(
            (SELECT sum(octet_length(request)) FROM queue WHERE chat_id = chats.id), 0) AS bytes,
          (SELECT count(*) FROM queue
            WHERE owner_id = chats.owner_id AND chat_id = chats.id AND queue.failure IS NULL)
            AS waiting, queue_held AS "isHeld", ${RUN_COLUMNS}
        FROM chats LEFT JOIN runs ON runs.chat_id = chats.id AND runs.state = 'running'
        WHERE chats.id = ${chatId} AND chats.owner_id = ${ownerId}`);
      if (!row) return undefined;
      const { leafKey, waiting, bytes, isHeld, ...run } = row;
      return {
        leafKey,
        waiting,
        bytes,
        isHeld: isHeld === 1,
        live: isRun(run) ? toFound(run) : undefined,
      };
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
type CurrentRow =
  & { leafKey: string | null; waiting: number; bytes: number; isHeld: number }
  & (RunRow | NoRun);
type NoRun = { [Column in keyof RunRow]: null };

function isRun(row: RunRow | NoRun): row is RunRow {
  return row.id !== null;
}

/** The run of a row. */
export function toFound({ state, failure, lastSeq, owner, textOnly, ...run }: RunRow): FoundRun {
  return {
    run: { ...run, textOnly: textOnly === 1 },
    state,
    failure: JSON.parse(failure ?? "null"),
    lastSeq: lastSeq ?? 0,
    owner,
  };
}
