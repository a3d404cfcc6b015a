import { and, eq, exists, getTableColumns, not, notExists, sql as part } from "drizzle-orm";
import { type Chat, DEFAULT_TITLE } from "../domain/chat.ts";
import { filePath } from "../domain/file.ts";
import { Pauses } from "../domain/pauses.ts";
import type { ChatStore } from "../domain/ports.ts";
import type { MessageOutline } from "../domain/records.ts";
import { type Database, placeholders } from "./database.ts";
import { shareFiles } from "./files.ts";
import { messageStore } from "./messages.ts";
import { deleteChat, DELETED, removeRest } from "./removal.ts";
import { chats, IS_LIVE, messages as messageTable, runs } from "./schema.ts";
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

/** Chats in the database. */
export function chatStore(db: Database): ChatStore {
  const { create, get, rename, choose, nameOnce } = queries(db);
  const messages = messageStore(db);
  return {
    async create(chat, { titled }) {
      await db.ask(create.run({ ...chat, titled, queueHeld: false, bytes: 0 }));
      await db.durable();
    },

    get: (ownerId, id) => db.ask(get.get({ ownerId, id })),

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
      db.ask(rename.get({ ownerId, id, title, updatedAt })),

    choose: (ownerId, id, leafKey, updatedAt) =>
      db.ask(choose.get({ ownerId, id, leafKey, updatedAt })),

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
      const isWhole = next === null && await db.ask(get.get({ ...source })) !== undefined;
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
      return await db.ask(nameOnce.get({ ownerId, id, title })) !== undefined;
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

function queries({ orm }: Database) {
  const { titled: _, queueHeld: __, bytes: ___, ...columns } = getTableColumns(chats);
  const { id, ownerId, title, leafKey, updatedAt } = placeholders(chats);
  const isOwners = eq(chats.ownerId, ownerId);
  const isIt = and(eq(chats.id, id), isOwners);
  const leaf = orm.select({ key: messageTable.key }).from(messageTable)
    .where(and(eq(messageTable.key, leafKey), eq(messageTable.chatId, chats.id)));
  const child = orm.select({ key: messageTable.key }).from(messageTable)
    .where(and(eq(messageTable.chatId, chats.id), eq(messageTable.parentKey, leafKey)));
  const live = orm.select({ id: runs.id }).from(runs)
    .where(and(eq(runs.chatId, chats.id), IS_LIVE));
  return {
    create: orm.insert(chats).values(placeholders(chats)).prepare(),
    get: orm.select(columns).from(chats).where(isIt).prepare(),
    rename: orm.update(chats).set({ title, titled: true, updatedAt }).where(isIt)
      .returning(columns).prepare(),
    choose: orm.update(chats)
      .set({ leafKey, updatedAt: part`max(${chats.updatedAt}, ${updatedAt})` })
      .where(and(isIt, exists(leaf), notExists(child), notExists(live))).returning(columns)
      .prepare(),
    nameOnce: orm.update(chats).set({ title })
      .where(and(isIt, not(chats.titled), eq(chats.title, DEFAULT_TITLE)))
      .returning({ id: chats.id }).prepare(),
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
