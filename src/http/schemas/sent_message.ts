/** The body of `POST …/messages` as the document shows it, with the parts that `src/wire` decodes. */
import { z } from "zod";
import { messageSchema } from "../../wire/sent_message.ts";
import { textSchema } from "../../wire/ui_parts.ts";
import { filePartSchema, toolPartSchema } from "../../wire/ui_schema.ts";
import { fileSchema, toolSchema } from "../../wire/v4_parts.ts";
import { nameSchema } from "../../wire/validate.ts";
import { createMessageSchema } from "./create_message.ts";

const userPart = z.union([
  textSchema.meta({ id: "SentText" }),
  fileSchema.meta({ id: "SentFile", description: "A file in the form of AI SDK 4." }),
  filePartSchema,
  z.looseObject({ type: z.literal("step-start") }).meta({ id: "SentStepStart" }),
  z.looseObject({ type: z.string().regex(/^data-/) }).meta({
    id: "SentData",
    description: "The client's own data: kept and returned, never shown to a model.",
  }),
]);

const userMessage = messageSchema.extend({
  role: z.literal("user"),
  parts: z.array(userPart).max(1_000).nullish(),
}).meta({
  id: "SentMessage",
  description: "The user's message in the form of AI SDK 4 or later: text, files, or both.",
});

const answerPart = z.union([
  toolSchema.meta({ id: "SentToolInvocation", description: "A call in the form of AI SDK 4." }),
  toolPartSchema,
  z.looseObject({ type: z.string() }).meta({
    id: "SentOtherPart",
    description: "Any other part of the answer. Only the results count.",
  }),
]);

const RESULT = {
  state: "result",
  toolCallId: "call_1",
  toolName: "where",
  args: {},
  result: "home",
};

const answer = messageSchema.pick({ annotations: true, metadata: true }).extend({
  id: nameSchema().min(1).meta({ description: "The id of the chat's last answer." }),
  role: z.literal("assistant"),
  parts: z.array(answerPart).max(1_000).meta({
    description: "The answer's parts. At least one holds the result of a pending call.",
  }),
}).meta({
  id: "SentAnswer",
  description: "The chat's last answer, sent back with the results of the tools that the client " +
    "ran. The answer continues from there, as the same message.",
  example: {
    id: "cc2668f2-b082-4967-a874-361a783dad81",
    role: "assistant",
    parts: [{ type: "tool-invocation", toolInvocation: RESULT }],
  },
});

/** The body. */
export const sendSchema = z.union([
  createMessageSchema.omit({ messages: true }).required({ model: true })
    .extend({ message: z.union([userMessage, answer]) })
    .meta({
      id: "CreateChatMessageRequest",
      description: "One message, and the model that answers it.",
    }),
  createMessageSchema.omit({ message: true }).required({ messages: true }).meta({
    id: "SendMessagesRequest",
    description: "The default body of AI SDK's clients. Its other fields are ignored.",
  }),
]);
