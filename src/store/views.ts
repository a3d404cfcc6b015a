/** What a send is decided by beside the state of its chat: columns, since a statement is a round trip. */
import type { Chat } from "../domain/chat.ts";
import type { ChatView, MessageOutline, Wanted } from "../domain/records.ts";
import { type MessageRow, OUTLINE, SEEN_ONLY, toMessage } from "./messages.ts";
import { sql, type Statement } from "./statement.ts";

/** How many messages of a branch a view has, and how many bytes of contents. */
const MESSAGES = 8;
const BYTES = 64 * 1024;

/** These columns. What is not of the chat's own row is JSON. */
export interface ViewRow {
  title: string;
  leafKey: string | null;
  chatCreatedAt: number;
  updatedAt: number;
  keyed: string | null;
  named: string;
  branch: string;
}

/** A message of a branch as JSON. */
interface BranchRow extends MessageOutline {
  content: Omit<MessageRow, keyof MessageOutline | "metadata" | "unseen"> | null;
}

/** The columns of a `ViewRow`, for a row of `chats` with its live run. */
export function viewColumns({ messageId, key, sinceKey }: Wanted): Statement {
  const keyed = sql`SELECT json_object('runId', run_id, 'hash', hash) FROM sends
    WHERE sends.chat_id = chats.id AND sends.key = ${key ?? ""}`;
  return sql`chats.title, chats.created_at AS "chatCreatedAt", chats.updated_at AS "updatedAt",
    ${key === undefined ? sql`NULL` : sql`(${keyed})`} AS keyed,
    (SELECT json_group_array(m.key) FROM messages m
      WHERE m.chat_id = chats.id AND m.id = ${messageId}) AS named,
    (${branchDownTo(sinceKey)}) AS branch`;
}

function branchDownTo(sinceKey: string | null): Statement {
  return sql`
    WITH RECURSIVE
      branch AS (
        SELECT ${OUTLINE}, m.rowid AS place, 0 AS depth FROM messages m
        WHERE runs.id IS NULL AND m.key = chats.leaf_key AND m.chat_id = chats.id
        UNION ALL
        SELECT ${OUTLINE}, m.rowid, depth + 1
        FROM branch JOIN messages m ON m.key = branch."parentKey"
        WHERE branch.key IS NOT ${sinceKey}
        LIMIT ${MESSAGES}),
      page AS (
        SELECT *, key IS NOT ${sinceKey}
          AND sum(size) OVER (ORDER BY depth ROWS UNBOUNDED PRECEDING) <= ${BYTES} AS "isRead"
        FROM branch)
    SELECT json_group_array(json_object('key', page.key, 'id', page.id,
        'parentKey', "parentKey", 'role', page.role, 'size', size, 'rest', rest, 'content', CASE WHEN "isRead" THEN json_object('parts', m.parts, 'status', m.status,
          'model', m.model, 'finishReason', m.finish_reason, 'usage', m.usage,
          'failure', m.failure, 'createdAt', m.created_at) END) ORDER BY depth)
    FROM page CROSS JOIN messages m ON m.rowid = page.place`;
}

/** What these columns say of a chat. */
export function toView(
  chat: Pick<Chat, "id" | "ownerId">,
  { title, leafKey, chatCreatedAt: createdAt, updatedAt, keyed, named, branch }: ViewRow,
): Omit<ChatView, "state"> {
  const read: BranchRow[] = JSON.parse(branch);
  return {
    chat: { ...chat, title, leafKey, createdAt, updatedAt },
    keyed: JSON.parse(keyed ?? "null") ?? undefined,
    named: JSON.parse(named),
    branch: read.map(({ content, ...outline }) => {
      const { size: _, rest: __, ...head } = outline;
      const message = content ? toMessage({ ...head, ...content, ...SEEN_ONLY }) : undefined;
      return { ...outline, message };
    }),
  };
}
