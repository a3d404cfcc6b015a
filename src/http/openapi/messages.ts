import { z } from "zod";
import type { ZodOpenApiPathsObject } from "zod-openapi";
import { historySchema, messageSchema, protocolSchema } from "../schemas.ts";
import { chatParams } from "./chats.ts";
import { CHANGES, failures, json, READS, success, TAKES_BODY } from "./responses.ts";
import { sendSchema } from "./sent_message.ts";
import {
  answerStream,
  DATA_STREAM,
  dataStreamContent,
  dataStreamHeaders,
  NEGOTIATION,
  protocolParams,
  UI_STREAM,
} from "./stream.ts";
import { uiMessageSchema } from "./ui_message.ts";

const tags = ["Messages"];

const BODIES = {
  seed: {
    summary: "One message",
    value: { message: { role: "user", content: "What is a monad?" }, model: "demo" },
  },
  sdk: {
    summary: "What a client of AI SDK 5 and later sends by default",
    value: {
      id: "8nMPrSkW8yHYvX0j",
      messages: [{
        id: "vWq0hCyuBfV4NeLY",
        role: "user",
        parts: [{ type: "text", text: "What is a monad?" }],
      }],
      trigger: "submit-message",
    },
  },
  tools: {
    summary: "With a tool that the client runs",
    value: {
      message: { role: "user", content: "Where am I?" },
      model: "demo",
      tools: [{
        name: "where",
        description: "Where the user is",
        inputSchema: { type: "object", properties: {} },
      }],
    },
  },
};

const HISTORY = [
  {
    id: "d80df0b2-e803-4992-8469-2198eb0fb0ea",
    role: "user",
    createdAt: "2026-11-23T09:31:08.112Z",
    content: "What is a monad?",
    parts: [{ type: "text", text: "What is a monad?" }],
  },
  {
    id: "cc2668f2-b082-4967-a874-361a783dad81",
    role: "assistant",
    createdAt: "2026-11-23T09:31:08.112Z",
    content: "A monoid.",
    parts: [{ type: "step-start" }, { type: "text", text: "A monoid." }],
  },
];

const LISTING =
  `The oldest message first, in the form of AI SDK 4; with \`?protocol=ui\`, or with headers that ask \
for the UI message stream, in that of 5 and later. An answer is here once it has ended: a client that \
joins its stream would show it twice.

What was edited or answered anew is kept beside what replaced it, as a branch. A message that has \
others in its place tells their keys: in its \`metadata.branches\`, or in the last of its \
\`annotations\`.

AI SDK 4 resumes by this path and \`chatId\`: it gets the data stream of the answer that is being \
made, or an empty one.`;

const SENDING =
  `Stores the message, starts the answer and streams it. Once the headers are here, the message is \
kept; a request that is refused stores nothing, but for a database that failed or gave no answer. The \
answer is made to its end and kept even if the client leaves.

The id of a message that the chat has already is an edit, or with the same contents asks for another \
answer: what came after it stays as a branch of its own. The same message sent again while it is \
being answered, or with the same \`Idempotency-Key\` within a day, joins its answer instead of paying \
for a second one.

${NEGOTIATION}, or whose body has a \`trigger\`.

${DATA_STREAM}

${UI_STREAM}`;

const keyParams = protocolParams.extend({
  "Idempotency-Key": z.string().regex(/^[\x21-\x7e]{1,200}$/).optional().meta({
    description: "The client's own name for this sending of the message.",
  }),
});

/** The history of a chat, and sending to it. */
export const messagePaths: ZodOpenApiPathsObject = {
  "/api/v2/chats/{chat}/messages": {
    get: {
      operationId: "listMessages",
      tags,
      summary: "Get the history of a chat",
      description: LISTING,
      requestParams: { path: chatParams, query: historySchema, header: protocolParams },
      responses: {
        200: success(
          "The messages; or, with `chatId`, the answer that is being made.",
          {
            ...json(z.union([z.array(messageSchema), z.array(uiMessageSchema)]), HISTORY),
            ...dataStreamContent,
          },
          dataStreamHeaders,
        ),
        ...failures(...READS, 400, 404, 429),
      },
    },
    post: {
      operationId: "createMessage",
      tags,
      summary: "Send a message and stream its answer",
      description: SENDING,
      requestParams: { path: chatParams, query: protocolSchema, header: keyParams },
      requestBody: {
        required: true,
        content: { "application/json": { schema: sendSchema, examples: BODIES } },
      },
      responses: {
        200: answerStream,
        ...failures(...CHANGES, ...TAKES_BODY, 404, 409, 422, 429),
      },
    },
  },
};
