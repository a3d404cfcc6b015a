import { z } from "zod";
import type { Chat } from "../../domain/chat.ts";
import { badRequest, nameSchema } from "../../wire/validate.ts";
import { readBody } from "../body.ts";
import {
  CHAT_EXAMPLE,
  chatJson,
  chatSchema,
  created,
  createdChat,
  ownChat,
  titleSchema,
} from "../chat.ts";
import type { App, HttpParts } from "../context.ts";
import { answer, describe, json, jsonBody } from "../describe.ts";
import { notFound } from "../failure.ts";

const FAILURE = "Failed to decode chat";

const getChat = describe({
  operationId: "getChat",
  tag: "Chats",
  summary: "Get a chat",
  responses: { 200: answer("The chat.", json(chatSchema, CHAT_EXAMPLE)) },
});

const change = z.object({
  title: titleSchema.optional(),
  branch: nameSchema(100).optional().meta({
    description: "The key of a message: the branch through it becomes the active one.",
  }),
}).refine(
  ({ title, branch }) => title !== undefined || branch !== undefined,
  { error: "Expected a title or a branch", path: ["title"] },
).meta({
  id: "UpdateChatRequest",
  // Documents the check above.
  anyOf: [{ required: ["title"] }, { required: ["branch"] }],
});

const updateChat = describe({
  operationId: "updateChat",
  tag: "Chats",
  summary: "Rename a chat, or choose its branch",
  description: `A title that a person chose is never replaced by a generated one.

A \`branch\` is the \`key\` of a message, or one of its \`siblings\`, from the history. It cannot be \
chosen while the chat is answering: 409.`,
  requestBody: {
    required: true,
    content: jsonBody(change, { example: { title: CHAT_EXAMPLE.title } }),
  },
  responses: { 200: answer("The chat.", json(chatSchema, CHAT_EXAMPLE)) },
  errors: [409],
});

const deleteChat = describe({
  operationId: "deleteChat",
  tag: "Chats",
  summary: "Delete a chat",
  description: "Stops its answer, then deletes the chat with its messages. This cannot be undone.",
  responses: { 204: answer("The chat is gone.") },
});

const newFork = z.object({
  message_id: nameSchema().optional().meta({
    description: "The last message of the new chat; by default the last of the active branch.",
  }),
  title: titleSchema.optional(),
}).meta({ id: "ForkRequest" });

const forkChat = describe({
  operationId: "forkChat",
  tag: "Chats",
  summary: "Fork a chat",
  description: "Creates a new chat that begins with this one's active branch, up to a message. " +
    "An empty chat cannot be forked: 400.",
  requestBody: { content: jsonBody(newFork, { example: { title: "Sorting a list in Rust" } }) },
  responses: { 201: createdChat },
});

/** `GET`, `PATCH` and `DELETE /api/v2/chats/{chat}`, and `POST /api/v2/chats/{chat}/fork`. */
export function chat(app: App, parts: HttpParts): void {
  const { chats, runs, feed, clock } = parts;
  const path = "/api/v2/chats/:chat";
  app.get(path, getChat, async (c) => c.json(chatJson(await ownChat(c, parts))));

  app.patch(path, updateChat, async (c) => {
    let chat = await ownChat(c, parts);
    const { title, branch } = await readBody(c, parts, change, FAILURE);
    if (branch !== undefined) {
      const chosen = await runs.choose(chat, branch);
      if (!chosen) {
        const detail = "Expected the key of a message of this chat";
        throw badRequest(FAILURE, { field: "branch", detail });
      }
      chat = chosen;
    }
    if (title !== undefined) {
      const renamed = await chats.rename(chat.ownerId, chat.id, title, clock.now());
      if (!renamed) throw notFound();
      chat = renamed;
      feed.publish(chat.ownerId, { type: "chat.renamed", chat });
    }
    return c.json(chatJson(chat));
  });

  app.delete(path, deleteChat, async (c) => {
    const chat = await ownChat(c, parts);
    if (!await runs.delete(chat)) throw notFound();
    feed.publish(chat.ownerId, { type: "chat.deleted", chatId: chat.id });
    return c.body(null, 204);
  });

  app.post("/api/v2/chats/:chat/fork", forkChat, async (c) => {
    const source = await ownChat(c, parts);
    const { message_id, title } = await readBody(c, parts, newFork, "Failed to decode fork", {});
    const last = await lastToFork(source, message_id, parts);
    const now = clock.now();
    const times = { createdAt: now, updatedAt: now };
    const fork = { ...source, ...times, id: parts.ids.uuid(), title: title ?? source.title };
    if (!await chats.fork(source, last, fork)) throw notFound();
    return created(c, fork, parts);
  });
}

/** The key of the message that a fork ends with. */
async function lastToFork(
  { id, leafKey }: Chat,
  messageId: string | undefined,
  { conversation }: HttpParts,
): Promise<string> {
  const last = messageId === undefined
    ? leafKey
    : (await conversation.withId(id, leafKey, messageId))?.key;
  if (last) return last;
  const detail = "Expected the id of a message in the active branch";
  throw badRequest("Failed to decode fork", { field: "message_id", detail });
}
