import { type Chat, DEFAULT_TITLE } from "../domain/chat.ts";
import { AppError } from "../domain/errors.ts";
import type { ChatCursor } from "../domain/ports.ts";
import { parseWith, readJson } from "./body.ts";
import type { App, HttpParts, RequestContext } from "./context.ts";
import { notFound } from "./failure.ts";
import { createChatSchema, forkSchema, listChatsSchema, updateChatSchema } from "./schemas.ts";

/** Listing, making, naming and deleting chats. */
export function chatRoutes(app: App, parts: HttpParts): void {
  const { chats, messages, runs, feed, clock, ids, limits } = parts;

  app.get("/api/v2/chats", async (c) => {
    const failure = "Invalid query";
    const query = parseWith(listChatsSchema, c.req.query(), failure);
    const after = query.cursor === undefined ? undefined : decodeCursor(query.cursor);
    const { limit } = query;
    const found = await chats.list(c.var.principal.id, {
      // One more than asked for tells whether there is a next page.
      ...(limit !== undefined && { limit: limit + 1 }),
      ...(after && { after }),
    });
    const page = limit === undefined ? found : found.slice(0, limit);
    const last = page.at(-1);
    if (limit !== undefined && found.length > limit && last) {
      c.header(
        "link",
        `</api/v2/chats?limit=${limit}&cursor=${encodeCursor(last)}>; rel="next"`,
      );
    }
    return c.json(page.map(chatJson));
  });

  app.post("/api/v2/chats", async (c) => {
    const failure = "Failed to decode chat";
    const body = await readJson(c.req.raw, limits.bodyBytes, failure);
    const { title } = body === undefined ? {} : parseWith(createChatSchema, body, failure);
    const now = clock.now();
    const chat: Chat = {
      id: ids.uuid(),
      ownerId: c.var.principal.id,
      title: title?.trim().toWellFormed() ?? DEFAULT_TITLE,
      leafKey: null,
      createdAt: now,
      updatedAt: now,
    };
    await chats.create(chat, { titled: title !== undefined });
    feed.publish(chat.ownerId, { type: "chat.created", chat });
    c.header("location", `/api/v2/chats/${chat.id}`);
    return c.json(chatJson(chat), 201);
  });

  app.get("/api/v2/chats/:chat", async (c) => c.json(chatJson(await ownChat(c, parts))));

  app.patch("/api/v2/chats/:chat", async (c) => {
    let chat = await ownChat(c, parts);
    const failure = "Failed to decode chat";
    const body = await readJson(c.req.raw, limits.bodyBytes, failure);
    const { title, branch } = parseWith(updateChatSchema, body, failure);
    if (branch !== undefined) chat = await chooseBranch(chat, branch, parts);
    if (title !== undefined) {
      const named = title.trim().toWellFormed();
      const renamed = await chats.rename(chat.ownerId, chat.id, named, clock.now());
      if (!renamed) throw notFound();
      chat = renamed;
      feed.publish(chat.ownerId, { type: "chat.renamed", chat });
    }
    return c.json(chatJson(chat));
  });

  app.post("/api/v2/chats/:chat/fork", async (c) => {
    const source = await ownChat(c, parts);
    const failure = "Failed to decode fork";
    const body = await readJson(c.req.raw, limits.bodyBytes, failure) ?? {};
    const { message_id, title } = parseWith(forkSchema, body, failure);
    const branch = await messages.history(source.ownerId, source.id);
    const last = message_id === undefined
      ? branch.at(-1)
      : branch.findLast(({ id }) => id === message_id);
    if (!last) {
      throw new AppError("bad_request", failure, {
        detail: "message_id: Expected the id of a message in the active branch",
        validations: [{ field: "message_id", detail: "Expected a message of the active branch" }],
      });
    }
    const now = clock.now();
    const fork: Chat = {
      ...source,
      id: ids.uuid(),
      title: title?.trim().toWellFormed() ?? source.title,
      createdAt: now,
      updatedAt: now,
    };
    await chats.fork(source, last.key, fork);
    feed.publish(fork.ownerId, { type: "chat.created", chat: fork });
    c.header("location", `/api/v2/chats/${fork.id}`);
    return c.json(chatJson(fork), 201);
  });

  app.delete("/api/v2/chats/:chat", async (c) => {
    const chat = await ownChat(c, parts);
    await runs.abandon(chat);
    if (!await chats.delete(chat.ownerId, chat.id)) throw notFound();
    // A message may have come in between.
    await runs.stop(chat);
    feed.publish(chat.ownerId, { type: "chat.deleted", chatId: chat.id });
    return c.body(null, 204);
  });
}

/** Makes the branch through a message the active one. */
async function chooseBranch(
  chat: Chat,
  key: string,
  { chats, messages, runs, clock }: HttpParts,
): Promise<Chat> {
  const leaf = (await messages.branch(chat.ownerId, chat.id, key)).at(-1);
  if (!leaf) {
    throw new AppError("bad_request", "Failed to decode chat", {
      detail: "branch: Expected the key of a message of this chat",
      validations: [{ field: "branch", detail: "Expected the key of a message of this chat" }],
    });
  }
  const chosen = await chats.choose(chat.ownerId, chat.id, leaf.key, clock.now());
  if (chosen) return chosen;
  const live = await runs.liveRecord(chat);
  throw new AppError("conflict", "The chat is busy", {
    detail: "A run is answering on its active branch.",
    ...(live && { headers: { "parley-run-id": live.id } }),
  });
}

/**
 * The chat that the path names.
 * @throws {AppError} `bad_request` for no UUID; `not_found` for another's chat or none.
 */
export async function ownChat(c: RequestContext, { chats }: HttpParts): Promise<Chat> {
  const id = c.req.param("chat") ?? "";
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)) {
    throw new AppError("bad_request", `Invalid UUID ${JSON.stringify(id.slice(0, 100))}.`, {
      detail: "Expected the id of a chat in the path.",
      validations: [{ field: "chat", detail: "Expected a UUID" }],
    });
  }
  const chat = await chats.get(c.var.principal.id, id.toLowerCase());
  if (!chat) throw notFound();
  return chat;
}

/** A chat as `codersdk.Chat`. */
export function chatJson(chat: Chat) {
  return {
    id: chat.id,
    created_at: new Date(chat.createdAt).toISOString(),
    updated_at: new Date(chat.updatedAt).toISOString(),
    title: chat.title,
  };
}

function encodeCursor({ updatedAt, id }: ChatCursor): string {
  return `${updatedAt.toString(36)}.${id}`;
}

function decodeCursor(cursor: string): ChatCursor {
  const match = /^([0-9a-z]{1,11})\.([0-9a-f-]{36})$/.exec(cursor);
  if (match) return { updatedAt: parseInt(match[1]!, 36), id: match[2]! };
  throw new AppError("bad_request", "Invalid query", {
    detail: "cursor: Expected a cursor out of a Link header",
    validations: [{ field: "cursor", detail: "Expected a cursor out of a Link header" }],
  });
}
