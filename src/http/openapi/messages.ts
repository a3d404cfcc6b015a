import { z } from "zod";
import type { ZodOpenApiPathsObject } from "zod-openapi";
import { createMessageSchema, messageSchema } from "../schemas.ts";
import { chatParams } from "./chats.ts";
import { CHANGES, failures, json, READS, success, TAKES_BODY } from "./responses.ts";
import { answerStream, DATA_STREAM } from "./stream.ts";

const tags = ["Messages"];

const SENT = { message: { role: "user", content: "What is a monad?" }, model: "demo" };

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

const SENDING =
  `Stores the message, starts the answer and streams it. Once the headers are here, the message is \
kept; a request that is refused stores nothing. The answer is made to its end and kept even if the \
client leaves.

The id of a message that the chat has already is an edit, or with the same contents asks for another \
answer: what came after it leaves the history. The same message sent again while it is being \
answered, or with the same \`Idempotency-Key\` at any time, joins its answer instead of paying for \
a second one.

${DATA_STREAM}`;

const mediaType = z.string().regex(/^[\w.+-]+\/[\w.+*-]+$/);
const url = z.string().regex(/^(data:[\w.+-]+\/[\w.+-]+;base64,[A-Za-z0-9+/]*={0,2}$|https?:\/\/)/)
  .meta({ description: "A `data:` URL in base64, or an http(s) URL." });

const partSchema = z.union([
  z.object({ type: z.literal("text"), text: z.string() }).meta({ id: "SentText" }),
  z.object({
    type: z.literal("file"),
    mimeType: mediaType,
    data: z.string().regex(/^[A-Za-z0-9+/]*={0,2}$/).meta({ description: "In base64." }),
  }).meta({ id: "SentFile" }),
  z.object({
    type: z.literal("file"),
    mediaType,
    url,
    filename: z.string().nullish(),
  }).meta({ id: "SentFileUrl", description: "A file in the form of AI SDK 5 and later." }),
  z.object({ type: z.literal("step-start") }).meta({ id: "SentStepStart" }),
]);

/** What `src/wire/sent_message.ts` takes; it has checks that no schema can say. */
const sentMessageSchema = z.object({
  id: z.string().max(200).nullish().meta({
    description: "Without one, the message gets a new one.",
  }),
  role: z.literal("user"),
  content: z.string().nullish().meta({ description: "The text, unless a part has one." }),
  parts: z.array(partSchema).max(1_000).nullish(),
  experimental_attachments: z.array(z.object({
    name: z.string().max(1_000).nullish(),
    contentType: mediaType.max(200).nullish(),
    url,
  })).max(100).nullish(),
  annotations: z.array(z.unknown()).max(1_000).nullish().meta({
    description: "Kept and given back in the history.",
  }),
  metadata: z.record(z.string(), z.unknown()).nullish(),
}).meta({
  id: "SentMessage",
  description: "The user's message in the form of AI SDK 4 or later: some text, a file, or both.",
});

const keyParams = z.object({
  "Idempotency-Key": z.string().regex(/^[\x21-\x7e]{1,200}$/).optional().meta({
    description: "The client's own name for this sending of the message.",
  }),
});

const sendSchema = createMessageSchema.extend({ message: sentMessageSchema }).meta({
  id: "CreateChatMessageRequest",
});

/** The history of a chat, and sending to it. */
export const messagePaths: ZodOpenApiPathsObject = {
  "/api/v2/chats/{chat}/messages": {
    get: {
      operationId: "listMessages",
      tags,
      summary: "Get the history of a chat",
      description: "The oldest message first. An answer is here once it has ended.",
      requestParams: { path: chatParams },
      responses: {
        200: success("The messages.", json(z.array(messageSchema), HISTORY)),
        ...failures(...READS, 400, 404),
      },
    },
    post: {
      operationId: "createMessage",
      tags,
      summary: "Send a message and stream its answer",
      description: SENDING,
      requestParams: { path: chatParams, header: keyParams },
      requestBody: { required: true, content: json(sendSchema, SENT) },
      responses: {
        200: answerStream(),
        ...failures(...CHANGES, ...TAKES_BODY, 404, 409, 422, 429),
      },
    },
  },
};
