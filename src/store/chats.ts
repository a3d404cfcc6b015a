import { type Chat, DEFAULT_TITLE } from "../domain/chat.ts";
import { filePath } from "../domain/file.ts";
import { Pauses } from "../domain/pauses.ts";
import type { ChatStore } from "../domain/ports.ts";
import type { MessageOutline } from "../domain/records.ts";
import type { Database } from "./database.ts";
import { shareFiles } from "./files.ts";
import { messageStore } from "./messages.ts";
import { deleteChat, DELETED, removeRest } from "./removal.ts";
import { sql, type Statement } from "./statement.ts";

/** How much of a branch one transaction copies, in messages and in bytes. */
const FORKED = 100;
const FORKED_BYTES = 256 * 1024;

/** The owner of a fork that is not whole yet: no user has an empty name. */
const NOBODY = "";

/** A chat of a list, as JSON. */
type Listed = [
  id: string,
  title: string,
  leafKey: string | null,
  createdAt: number,
  updatedAt: number,
];

const COLUMNS = sql`id, owner_id AS "ownerId", title, leaf_key AS "leafKey",
  created_at AS "createdAt", updated_at AS "updatedAt"`;

function isIt(ownerId: string, id: string): Statement {
  return sql`id = ${id} AND owner_id = ${ownerId}`;
}

/** Chats in the database. */
export function chatStore(db: Database): ChatStore {
  const messages = messageStore(db);
  const get: ChatStore["get"] = (ownerId, id) =>
    db.get(sql<Chat>`SELECT ${COLUMNS} FROM chats WHERE ${isIt(ownerId, id)}`);
  return {
    async create(chat, { titled }) {
      const { id, ownerId, title, leafKey, createdAt, updatedAt } = chat;
      await db.write([sql`
        INSERT INTO chats (id, owner_id, title, titled, leaf_key, created_at, updated_at)
        VALUES (${id}, ${ownerId}, ${title}, ${titled}, ${leafKey}, ${createdAt}, ${updatedAt})`]);
      await db.durable();
    },

    get,

    // Without a place in the list, it begins after one that is newer than any chat.
    async list(
      ownerId,
      { limit = -1, after = { updatedAt: Number.MAX_SAFE_INTEGER, id: "" } },
    ) {
      // A single text takes a third of the time of fifty rows: each value is a call into the addon.
      const row = await db.get(sql<{ chats: string }>`
        SELECT json_group_array(json_array(id, title, leaf_key, created_at, updated_at)) AS chats
        FROM (SELECT * FROM chats
          WHERE owner_id = ${ownerId} AND (updated_at, id) < (${after.updatedAt}, ${after.id})
          ORDER BY updated_at DESC, id DESC LIMIT ${limit})`);
      const listed: Listed[] = JSON.parse(row!.chats);
      return listed.map(([id, title, leafKey, createdAt, updatedAt]) => (
        { id, ownerId, title, leafKey, createdAt, updatedAt }
      ));
    },

    rename: (ownerId, id, title, updatedAt) =>
      db.get(sql<Chat>`
        UPDATE chats SET title = ${title}, titled = 1, updated_at = ${updatedAt}
        WHERE ${isIt(ownerId, id)} RETURNING ${COLUMNS}`),

    choose: (ownerId, id, leafKey, updatedAt) =>
      db.get(sql<Chat>`
        UPDATE chats SET leaf_key = ${leafKey}, updated_at = max(updated_at, ${updatedAt})
        WHERE ${isIt(ownerId, id)}
          AND EXISTS (SELECT 1 FROM messages WHERE key = ${leafKey} AND chat_id = chats.id)
          AND NOT EXISTS (SELECT 1 FROM messages
            WHERE chat_id = chats.id AND parent_key = ${leafKey})
          AND NOT EXISTS (SELECT 1 FROM runs WHERE chat_id = chats.id AND state = 'running')
        RETURNING ${COLUMNS}`),

    async fork(source, upToKey, fork) {
      await db.write([sql`
        INSERT INTO chats (id, owner_id, title, titled, created_at, updated_at)
        VALUES (${fork.id}, ${NOBODY}, ${fork.title}, 1, ${fork.createdAt}, ${fork.updatedAt})`]);
      const pauses = new Pauses();
      let next: string | null = upToKey;
      for (let depth = 0; next !== null;) {
        const page: MessageOutline[] = firstPage(await messages.outline(source.id, next, FORKED));
        if (page.length === 0) break;
        await db.write([copyPage(source, page, depth, fork)]);
        depth += page.length;
        next = page.at(-1)!.parentKey;
        await pauses.next();
      }
      // A chat that is deleted meanwhile has no whole branch any more.
      const isWhole = next === null && await get(source.ownerId, source.id) !== undefined;
      await db.write(
        isWhole
          ? [
            shareFiles(source.id, fork.id, fork.ownerId),
            sql`UPDATE chats SET owner_id = ${fork.ownerId},
                leaf_key = (SELECT key FROM messages WHERE key = ${`${fork.id}:0`})
              WHERE id = ${fork.id}`,
          ]
          : deleteChat(NOBODY, fork.id),
      );
      await db.durable();
      return isWhole;
    },

    async nameOnce(ownerId, id, title) {
      const [{ rowsAffected }] = await db.write([sql`
        UPDATE chats SET title = ${title}
        WHERE ${isIt(ownerId, id)} AND NOT titled AND title = ${DEFAULT_TITLE}`]);
      return rowsAffected === 1;
    },

    async delete(ownerId, id) {
      const [found] = await db.free(deleteChat(ownerId, id));
      await db.durable();
      return found?.rowsAffected === 1;
    },

    async removeUnfinished(time) {
      await db.write([sql`
        UPDATE chats SET owner_id = ${DELETED}
        WHERE owner_id = ${NOBODY} AND updated_at < ${time}`]);
    },

    removeRest: () => removeRest(db),
  };
}

/** As many messages as are copied at once: at least one, if there are any. */
function firstPage(outline: MessageOutline[]): MessageOutline[] {
  let size = 0;
  const end = outline.findIndex((message, at) =>
    (size += message.size + message.rest) > FORKED_BYTES && at > 0
  );
  return end < 0 ? outline : outline.slice(0, end);
}

/**
 * Copies a part of a branch, which is listed from its end on; `depth` is how many messages come behind it.
 * The URLs of its files become those of the new chat.
 */
function copyPage(
  source: Chat,
  page: MessageOutline[],
  depth: number,
  fork: Chat,
): Statement<never> {
  const fileUrls = (chatId: string) => `"url":"${filePath({ chatId, id: "" })}`;
  const keys = JSON.stringify(page.map(({ key }) => key));
  return sql`
    INSERT INTO messages (key, chat_id, id, parent_key, role, parts, metadata, status,
      model, finish_reason, usage, failure, created_at, unseen)
    SELECT ${fork.id} || ':' || CAST(${depth} + each.key AS INTEGER), ${fork.id}, m.id,
      CASE WHEN m.parent_key IS NULL THEN NULL
        ELSE ${fork.id} || ':' || CAST(${depth} + each.key + 1 AS INTEGER) END,
      m.role, replace(m.parts, ${fileUrls(source.id)}, ${fileUrls(fork.id)}), m.metadata, m.status,
      m.model, m.finish_reason, m.usage, m.failure, m.created_at, m.unseen
    FROM json_each(${keys}) each JOIN messages m ON m.key = each.value`;
}
