/** What `src/wire` takes of a request; it has checks that no schema can say. */
import { z } from "zod";
import { createMessageSchema } from "../schemas.ts";

const mediaType = z.string().regex(/^[\w.+-]+\/[\w.+*-]+$/);
const ownFile = "/api/v2/chats/[0-9a-f-]{36}/files/[0-9a-f-]{36}$";
const url = z.string()
  .regex(
    RegExp(`^(data:[\\w.+-]+/[\\w.+-]+;base64,[A-Za-z0-9+/]*={0,2}$|https?://|${ownFile})`),
  )
  .meta({
    description: "A `data:` URL in base64, an http(s) URL, or the `url` of a file of the chat.",
  });

const id = z.string().max(200);
const annotations = z.array(z.unknown()).max(1_000).nullish().meta({
  description: "Of AI SDK 4: kept and given back in the history.",
});
const metadata = z.record(z.string(), z.unknown()).nullish().meta({
  description: "Of AI SDK 5 and later: kept and given back in the history.",
});

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
    filename: z.string().optional(),
  }).meta({ id: "SentFileUrl", description: "A file in the form of AI SDK 5 and later." }),
  z.object({ type: z.literal("step-start") }).meta({ id: "SentStepStart" }),
  z.object({ type: z.string().regex(/^data-/) }).meta({
    id: "SentData",
    description: "The client's own data: kept and given back, never shown to a model.",
  }),
]);

const userMessageSchema = z.object({
  id: id.nullish().meta({ description: "Without one, the message gets a new one." }),
  role: z.literal("user"),
  content: z.string().nullish().meta({ description: "The text, unless a part has one." }),
  parts: z.array(partSchema).max(1_000).nullish(),
  experimental_attachments: z.array(z.object({
    name: z.string().max(1_000).nullish(),
    contentType: mediaType.max(200).nullish(),
    url,
  })).max(100).nullish(),
  annotations,
  metadata,
}).meta({
  id: "SentMessage",
  description: "The user's message in the form of AI SDK 4 or later: some text, a file, or both.",
});

const resultSchema = z.union([
  z.object({
    type: z.literal("tool-invocation"),
    toolInvocation: z.object({
      state: z.literal("result"),
      toolCallId: z.string().min(1),
      toolName: z.string(),
      result: z.unknown(),
    }),
  }).meta({ id: "SentToolInvocation", description: "A result in the form of AI SDK 4." }),
  z.object({
    type: z.string().regex(/^tool-./).meta({ description: "`tool-NAME`" }),
    toolCallId: z.string().min(1),
    state: z.literal("output-available"),
    output: z.unknown(),
  }).meta({ id: "SentToolOutput", description: "A result in the form of AI SDK 5 and later." }),
  z.object({
    type: z.string().regex(/^tool-./),
    toolCallId: z.string().min(1),
    state: z.literal("output-error"),
    errorText: z.string(),
  }).meta({ id: "SentToolError", description: "A failure in the form of AI SDK 5 and later." }),
  z.object({ type: z.string() }).meta({
    id: "SentOtherPart",
    description: "Whatever else the answer holds: only the results count.",
  }),
]);

const answerSchema = z.object({
  id: id.min(1).meta({ description: "The id of the chat's last answer." }),
  role: z.literal("assistant"),
  parts: z.array(resultSchema).max(1_000).meta({
    description: "The answer's parts. At least one has the result of a call that waits for it.",
  }),
  annotations,
  metadata,
}).meta({
  id: "SentAnswer",
  description: "The chat's last answer, sent back with the results of the tools that the client " +
    "ran: it goes on from there, as the same message.",
  example: {
    id: "cc2668f2-b082-4967-a874-361a783dad81",
    role: "assistant",
    parts: [{
      type: "tool-invocation",
      toolInvocation: {
        state: "result",
        toolCallId: "call_1",
        toolName: "where",
        args: {},
        result: "at home",
      },
    }],
  },
});

const { shape } = createMessageSchema;

const oneMessageSchema = createMessageSchema.omit({ messages: true }).extend({
  message: z.union([userMessageSchema, answerSchema]),
  model: shape.model.unwrap().meta({ description: "The id of a model." }),
}).meta({
  id: "CreateChatMessageRequest",
  description: "One message, and the model that answers it.",
});

const allMessagesSchema = createMessageSchema.omit({ message: true }).extend({
  messages: shape.messages.unwrap().meta({
    description: "The messages that the client shows. The last one counts, in the same form as " +
      "`message`; what was before it Parley knows.",
  }),
  model: shape.model.meta({
    description: "The id of a model; by default the one that is configured, or the first.",
  }),
}).meta({
  id: "SendMessagesRequest",
  description: "The default body of AI SDK's clients. What else it has is left unread.",
});

/** The body of `POST …/messages`. */
export const sendSchema = z.union([oneMessageSchema, allMessagesSchema]);
