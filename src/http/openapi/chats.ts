import { z } from "zod";
import type { ZodOpenApiPathsObject, ZodOpenApiResponseObject } from "zod-openapi";
import {
  chatSchema,
  createChatSchema,
  forkSchema,
  listChatsSchema,
  updateChatSchema,
} from "../schemas.ts";
import { CHANGES, failures, json, READS, success, TAKES_BODY } from "./responses.ts";

const EXAMPLE = {
  id: "497f6eca-6276-4993-bfeb-53cbbbba6f08",
  created_at: "2026-11-23T09:30:00.000Z",
  updated_at: "2026-11-23T09:31:12.480Z",
  title: "Sorting a list in Go",
};

/** The parameter of every path that names a chat. */
export const chatParams = z.object({
  chat: z.uuid().meta({
    description: "The id of a chat.",
    example: EXAMPLE.id,
    param: { id: "Chat" },
  }),
});

const tags = ["Chats"];

const UPDATING = `A title that a person chose is never replaced by a generated one.

A \`branch\` is the \`key\` of a message, or one of its \`siblings\`, out of the history. It cannot \
be chosen while the chat is answering: 409.`;

/** Listing, making, naming and deleting chats. */
export const chatPaths: ZodOpenApiPathsObject = {
  "/api/v2/chats": {
    get: {
      operationId: "listChats",
      tags,
      summary: "List chats",
      description: "The user's own chats, the one with the latest change first.",
      requestParams: { query: listChatsSchema },
      responses: {
        200: success("The chats.", json(z.array(chatSchema), [EXAMPLE]), {
          Link: z.string().optional().meta({
            description: 'Where there are more: the URL of the next page, with `rel="next"`.',
          }),
        }),
        ...failures(...READS, 400),
      },
    },
    post: {
      operationId: "createChat",
      tags,
      summary: "Create a chat",
      description: "Without a title, the chat is named after its first message.",
      requestBody: { content: json(createChatSchema, { title: EXAMPLE.title }) },
      responses: {
        201: createdChat(),
        ...failures(...CHANGES, ...TAKES_BODY),
      },
    },
  },
  "/api/v2/chats/{chat}": {
    get: {
      operationId: "getChat",
      tags,
      summary: "Get a chat",
      requestParams: { path: chatParams },
      responses: {
        200: success("The chat.", json(chatSchema, EXAMPLE)),
        ...failures(...READS, 400, 404),
      },
    },
    patch: {
      operationId: "updateChat",
      tags,
      summary: "Name a chat, or choose its branch",
      description: UPDATING,
      requestParams: { path: chatParams },
      requestBody: { required: true, content: json(updateChatSchema, { title: EXAMPLE.title }) },
      responses: {
        200: success("The chat.", json(chatSchema, EXAMPLE)),
        ...failures(...CHANGES, ...TAKES_BODY, 404, 409),
      },
    },
    delete: {
      operationId: "deleteChat",
      tags,
      summary: "Delete a chat",
      description: "Stops its answer, then deletes its messages too. There is no way back.",
      requestParams: { path: chatParams },
      responses: {
        204: success("The chat is gone."),
        ...failures(...CHANGES, 400, 404),
      },
    },
  },
  "/api/v2/chats/{chat}/fork": {
    post: {
      operationId: "forkChat",
      tags,
      summary: "Fork a chat",
      description: "Makes a new chat that begins as this one's active branch, up to a message. " +
        "An empty chat has nothing to begin with: 400.",
      requestParams: { path: chatParams },
      requestBody: { content: json(forkSchema, { title: "Sorting a list in Rust" }) },
      responses: {
        201: createdChat(),
        ...failures(...CHANGES, ...TAKES_BODY, 404),
      },
    },
  },
};

function createdChat(): ZodOpenApiResponseObject {
  const chat = { chat: "$response.body#/id" };
  return {
    ...success("The new chat.", json(chatSchema, EXAMPLE), {
      Location: z.string().meta({ description: "The path of the chat." }),
    }),
    links: {
      get: { operationId: "getChat", parameters: chat },
      send: { operationId: "createMessage", parameters: chat },
      history: { operationId: "listMessages", parameters: chat },
      name: { operationId: "updateChat", parameters: chat },
      fork: { operationId: "forkChat", parameters: chat },
      delete: { operationId: "deleteChat", parameters: chat },
    },
  };
}
