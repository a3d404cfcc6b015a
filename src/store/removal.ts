/** Removes chats a part at a time, so that a large one keeps the event loop from nobody. */
import { Pauses } from "../domain/pauses.ts";
import type { Database } from "./database.ts";
import { deleteEvents, hasEvents } from "./events.ts";
import { deleteFiles, deletePieces } from "./files.ts";
import { pageOf } from "./pages.ts";
import { sql, type Statement } from "./statement.ts";

/** The owner of chats that were deleted and whose rows are not all removed yet: no user has this id. */
export const DELETED = "deleted";

/** How many runs, and how many files, a part has. */
const RUNS = 20;
const FILES = 10;

/**
 * The statements that delete a chat: from now on its owner has it no longer. A small one is gone with
 * them; of a larger one, `removeRest` removes what is left.
 */
export function deleteChat(ownerId: string, id: string): Statement<never>[] {
  return [
    sql`UPDATE chats SET owner_id = ${DELETED} WHERE id = ${id} AND owner_id = ${ownerId}`,
    // Its owner may have as many files elsewhere, and can name these no more.
    sql`UPDATE files SET owner_id = ${DELETED} WHERE chat_id = ${id} AND owner_id = ${ownerId}`,
    ...removePart(sql`SELECT id FROM chats WHERE id = ${id} AND owner_id = ${DELETED}`),
  ];
}

/** Removes what is left of deleted chats, those included whose removal a crash ended, in short turns. */
export async function* removeRest(db: Database): AsyncGenerator<void> {
  const next = sql<{ id: string }>`SELECT id FROM chats WHERE owner_id = ${DELETED} LIMIT 1`;
  const pauses = new Pauses();
  for (let left = await db.get(next); left; left = await db.get(next)) {
    await db.free(removePart(sql`SELECT ${left.id}`));
    yield;
    await pauses.next();
  }
  await db.restoreReserve();
}

/** The statements that remove a part of the chat that is selected, and the chat after its last part. */
function removePart(chat: Statement): Statement<never>[] {
  const runs = sql`id IN (SELECT id FROM runs WHERE chat_id = (${chat}) LIMIT ${RUNS})`;
  const files = sql`SELECT id FROM files WHERE chat_id = (${chat}) LIMIT ${FILES}`;
  const isLeft = (table: Statement) => (
    sql`EXISTS (SELECT 1 FROM ${table} WHERE chat_id = (${chat}))`
  );
  const removeFrom = (table: Statement, size: Statement) => (
    sql`DELETE FROM ${table} WHERE rowid IN ${
      pageOf(sql`SELECT rowid AS id, ${size} AS size FROM ${table} WHERE chat_id = (${chat})`)
    }`
  );
  return [
    deleteEvents(runs),
    sql`DELETE FROM runs WHERE ${runs} AND NOT ${hasEvents(runs)}`,
    removeFrom(sql`sends`, sql`0`),
    removeFrom(sql`queue`, sql`octet_length(request)`),
    removeFrom(sql`tool_calls`, sql`octet_length(input) + coalesce(octet_length(request), 0)`),
    deletePieces(files, chat),
    deleteFiles(files, chat),
    removeFrom(
      sql`messages`,
      sql`octet_length(parts) + octet_length(metadata) + coalesce(octet_length(unseen), 0)`,
    ),
    sql`DELETE FROM chats WHERE id = (${chat}) AND NOT ${isLeft(sql`runs`)}
      AND NOT ${isLeft(sql`sends`)} AND NOT ${isLeft(sql`queue`)} AND NOT ${isLeft(sql`files`)}
      AND NOT ${isLeft(sql`messages`)} AND NOT ${isLeft(sql`tool_calls`)}`,
  ];
}
