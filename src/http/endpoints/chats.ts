import { z } from "zod";
import { type Chat, DEFAULT_TITLE } from "../../domain/chat.ts";
import type { ChatCursor } from "../../domain/ports.ts";
import { readBody } from "../body.ts";
import { CHAT_EXAMPLE, chatJson, chatSchema, created, createdChat, titleSchema } from "../chat.ts";
import type { App, HttpParts } from "../context.ts";
import { jsonArray } from "../json_array.ts";
import { answer, describe, header, json, jsonBody, limitSchema, query } from "../describe.ts";

const CURSOR = /^[0-9a-z]{1,11}\.[0-9a-f-]{36}$/;

const listQuery = z.object({
  limit: limitSchema(500, "The most chats to list; by default, all of them; after a cursor, 500."),
  cursor: z.string().regex(CURSOR, "Expected a cursor from a Link header").optional().meta({
    description: "The start of the page, from the `Link` header of the previous page.",
  }),
});

const listChats = describe({
  operationId: "listChats",
  tag: "Chats",
  summary: "List chats",
  description: "Your chats, most recent first.",
  errors: [429],
  responses: {
    200: answer("The chats.", json(() => z.array(chatSchema()), [CHAT_EXAMPLE]), {
      Link: header('The URL of the next page, with `rel="next"`, if there are more chats.', {
        required: false,
      }),
    }),
  },
});

const newChat = z.object({ title: titleSchema.optional() }).meta({ id: "CreateChatRequest" });

const createChat = describe({
  operationId: "createChat",
  tag: "Chats",
  summary: "Create a chat",
  description: "Without a title, the chat is named after its first message.",
  requestBody: { content: jsonBody(newChat, { example: { title: CHAT_EXAMPLE.title } }) },
  responses: { 201: createdChat },
});

/** How many chats are read at once, which takes a few milliseconds. */
const PAGE = 500;

/** Reads chats from the newest, or after a place in the list. */
type ReadPage = (after?: ChatCursor) => Promise<Chat[]>;

/** All chats from the first page on. Those that move to the top meanwhile come at the end. */
async function* allChats(first: Chat[], read: ReadPage): AsyncGenerator<object[]> {
  const listed = new Set<string>();
  const unlisted = (page: Chat[]) => page.filter(({ id }) => !listed.has(id));
  for (let page = first; page.length > 0; page = await read(page.at(-1))) {
    yield unlisted(page).map(chatJson);
    for (const { id } of page) listed.add(id);
  }
  for (
    let moved = unlisted(await read());
    moved.length > 0;
    moved = unlisted(await read(moved.at(-1)))
  ) {
    yield moved.map(chatJson);
    for (const { id } of moved) listed.add(id);
  }
}

/** `GET` and `POST /api/v2/chats`. */
export function chats(app: App, parts: HttpParts): void {
  app.get("/api/v2/chats", listChats, query(listQuery), async (c) => {
    const { cursor, limit = cursor === undefined ? undefined : PAGE } = c.req.valid("query");
    // One extra chat shows whether there are more.
    const read: ReadPage = (after) =>
      parts.chats.list(c.var.principal.id, { limit: (limit ?? PAGE) + 1, ...(after && { after }) });
    const found = await read(cursor === undefined ? undefined : decodeCursor(cursor));
    if (limit === undefined && found.length > PAGE) {
      const lists = allChats(found, read);
      return await jsonArray(c, parts, { lists, files: new Map(), isLong: true });
    }
    const page = found.slice(0, limit);
    if (found.length > page.length) {
      const next = `limit=${limit}&cursor=${encodeCursor(page.at(-1)!)}`;
      c.header("link", `</api/v2/chats?${next}>; rel="next"`);
    }
    return c.json(page.map(chatJson));
  });

  app.post("/api/v2/chats", createChat, async (c) => {
    const { title } = await readBody(c, parts, newChat, "Failed to decode chat", {});
    const now = parts.clock.now();
    const chat = {
      id: parts.ids.uuid(),
      ownerId: c.var.principal.id,
      title: title ?? DEFAULT_TITLE,
      leafKey: null,
      createdAt: now,
      updatedAt: now,
    };
    await parts.chats.create(chat, { titled: title !== undefined });
    return created(c, chat, parts);
  });
}

function encodeCursor({ updatedAt, id }: ChatCursor): string {
  return `${updatedAt.toString(36)}.${id}`;
}

function decodeCursor(cursor: string): ChatCursor {
  const [time, id] = cursor.split(".");
  return { updatedAt: parseInt(time!, 36), id: id! };
}
