import type { ChatFile } from "../domain/file.ts";
import type { FileStore } from "../domain/ports.ts";
import { Pauses } from "../domain/pauses.ts";
import type { Database } from "./database.ts";
import { sql, type Statement } from "./statement.ts";

/** The size of a piece, in bytes: whole groups of three, so that each is base64 of its own. */
const PIECE = 192 * 1024;

/** How many pieces one transaction stores: more would keep the event loop for too long. */
const TOGETHER = 2;

/** How many pieces one transaction removes. */
const REMOVED = 10;

/** Files of chats in the database. */
export function fileStore(db: Database): FileStore {
  return {
    async add(file, bytes, limits) {
      // The row comes first: pieces that a crash leaves behind belong to a chat, and go with it.
      const [, { rows: [outcome] }] = await db.write([
        insertFile(file, limits),
        selectOutcome(file, limits),
      ]);
      if (outcome!.is !== "added") return outcome!.is;
      const pauses = new Pauses();
      const pieces = Math.ceil(bytes.length / PIECE);
      for (let at = 0; at < pieces; at += TOGETHER) {
        const length = Math.min(TOGETHER, pieces - at);
        const [{ rows: [outcome] }] = await db.write([
          selectOutcome(file, limits),
          ...Array.from({ length }, (_, index) => insertPiece(file, bytes, at + index)),
        ]);
        if (outcome!.is === "gone") return "gone";
        await pauses.next();
      }
      await db.durable();
      return "added";
    },

    find: (ownerId, ids, chatId) =>
      db.all(sql<ChatFile>`
        SELECT id, chat_id AS "chatId", owner_id AS "ownerId", media_type AS "mediaType", filename,
          size, created_at AS "createdAt"
        FROM files
        WHERE id IN (SELECT value FROM json_each(${JSON.stringify(ids)})) AND owner_id = ${ownerId}
        GROUP BY id HAVING max(chat_id = ${chatId}) IS NOT NULL`),

    async count(chatId) {
      const row = await db.get(sql<{ count: number }>`
        SELECT count(*) AS count FROM files WHERE chat_id = ${chatId}`);
      return row?.count ?? 0;
    },

    async *read(id) {
      const pauses = new Pauses();
      for (let at = 0;; at++) {
        const piece = await db.get(sql<{ bytes: Uint8Array<ArrayBuffer> }>`
          SELECT bytes FROM file_pieces WHERE id = ${id} AND at = ${at}`);
        if (!piece) return;
        const isLast = piece.bytes.length < PIECE;
        yield piece.bytes;
        if (isLast) return;
        await pauses.next();
      }
    },
  };
}

type FileLimits = Parameters<FileStore["add"]>[2];

function insertFile(
  { id, chatId, ownerId, mediaType, filename, size, createdAt }: ChatFile,
  { perChat, perUser }: FileLimits,
): Statement<never> {
  return sql`
    INSERT INTO files (id, chat_id, owner_id, media_type, filename, size, created_at)
    SELECT ${id}, id, owner_id, ${mediaType}, ${filename}, ${size}, ${createdAt} FROM chats
    WHERE id = ${chatId} AND owner_id = ${ownerId}
      AND (SELECT count(*) FROM files WHERE chat_id = ${chatId}) < ${perChat}
      AND (SELECT count(DISTINCT id) FROM files WHERE owner_id = ${ownerId}) < ${perUser}
    ON CONFLICT DO NOTHING`;
}

/** What became of a file: whether its chat has it, or why not. */
function selectOutcome(
  { id, chatId, ownerId }: ChatFile,
  { perChat }: FileLimits,
): Statement<{ is: Awaited<ReturnType<FileStore["add"]>> }> {
  return sql`SELECT CASE
    WHEN NOT EXISTS (SELECT 1 FROM chats WHERE id = ${chatId} AND owner_id = ${ownerId}) THEN 'gone'
    WHEN EXISTS (SELECT 1 FROM files WHERE id = ${id} AND chat_id = ${chatId}) THEN 'added'
    WHEN (SELECT count(*) FROM files WHERE chat_id = ${chatId}) < ${perChat} THEN 'user_full'
    ELSE 'chat_full' END AS "is"`;
}

/** Nothing is inserted once the file is gone with its chat. */
function insertPiece({ id }: ChatFile, bytes: Uint8Array, at: number): Statement<never> {
  const piece = bytes.subarray(at * PIECE, (at + 1) * PIECE);
  return sql`INSERT INTO file_pieces (id, at, bytes)
    SELECT ${id}, ${at}, ${piece} WHERE EXISTS (SELECT 1 FROM files WHERE id = ${id})
    ON CONFLICT DO NOTHING`;
}

const COPIED = sql`id, owner_id, media_type, filename, size, created_at`;

/** The statement that gives a chat those of its owner's files that it does not have yet. */
export function addFiles(
  ids: readonly string[],
  chat: { chatId: string; ownerId: string },
  condition: Statement = sql`true`,
): Statement<never> {
  return sql`
    INSERT INTO files (chat_id, ${COPIED}) SELECT ${chat.chatId}, ${COPIED} FROM files
    WHERE id IN (SELECT value FROM json_each(${JSON.stringify(ids)}))
      AND owner_id = ${chat.ownerId} AND ${condition}
    ON CONFLICT DO NOTHING`;
}

/** The statement that gives a chat all files of another one. */
export function shareFiles(
  sourceId: string,
  chatId: string,
  ownerId: string,
): Statement<never> {
  return sql`INSERT INTO files (chat_id, ${COPIED})
    SELECT ${chatId}, ${COPIED} FROM files WHERE chat_id = ${sourceId} AND owner_id = ${ownerId}`;
}

/** True if another chat has the file of a row of `files` or `file_pieces`, too. */
const isShared = (row: Statement, chat: Statement) => (
  sql`EXISTS (SELECT 1 FROM files AS other WHERE other.id = ${row}.id AND chat_id <> (${chat}))`
);

/** The statement that removes some of the bytes of a chat's files, unless another chat has them, too. */
export function deletePieces(files: Statement, chat: Statement): Statement<never> {
  return sql`DELETE FROM file_pieces WHERE rowid IN (
    SELECT rowid FROM file_pieces
    WHERE id IN (${files}) AND NOT ${isShared(sql`file_pieces`, chat)} LIMIT ${REMOVED})`;
}

/** The statement that removes a chat's files whose bytes are gone, or are another chat's, too. */
export function deleteFiles(files: Statement, chat: Statement): Statement<never> {
  return sql`DELETE FROM files WHERE chat_id = (${chat}) AND id IN (${files})
    AND (${isShared(sql`files`, chat)}
      OR NOT EXISTS (SELECT 1 FROM file_pieces WHERE file_pieces.id = files.id))`;
}
