/** What requests and responses hold: the same schemas validate and document. */
import { z } from "zod";
import { BUSY_POLICIES } from "../domain/policies.ts";

/** The longest title of a chat, in characters. */
export const TITLE_LENGTH = 200;

/** A time of Coder's API: RFC 3339 in UTC. */
const time = z.iso.datetime().meta({ example: "2026-11-23T09:30:00.000Z" });

/** `codersdk.Chat` of the seed. */
export const chatSchema = z.object({
  id: z.uuid(),
  created_at: time,
  updated_at: time,
  title: z.string(),
}).meta({ id: "Chat" });

const title = z.string()
  .refine((value) => value.trim() !== "", "Expected a title, found only white space")
  .refine(
    (value) => [...value].length <= TITLE_LENGTH,
    `Expected at most ${TITLE_LENGTH} characters`,
  )
  // deno-lint-ignore no-control-regex
  .refine((value) => !/[\u0000-\u001f\u007f]/.test(value), "Expected no control characters")
  .meta({
    minLength: 1,
    maxLength: TITLE_LENGTH,
    // What the refinements above say, for who reads the document.
    pattern: "^[^\\u0000-\\u001f\\u007f]*[^\\s\\u0000-\\u001f\\u007f][^\\u0000-\\u001f\\u007f]*$",
    description: "What the chat is called.",
    example: "Sorting a list in Go",
  });

/** `POST /chats`: no body, an empty one, or this. */
export const createChatSchema = z.object({ title: title.optional() }).meta({
  id: "CreateChatRequest",
});

/** `PATCH /chats/{chat}`. */
export const updateChatSchema = z.object({ title }).meta({ id: "UpdateChatRequest" });

/** The query of `GET /chats`. */
export const listChatsSchema = z.object({
  limit: z.string().regex(/^\d{1,4}$/, "Expected a whole number from 1 to 500")
    .transform(Number).pipe(z.number().min(1).max(500)).optional()
    .meta({
      type: "integer",
      minimum: 1,
      maximum: 500,
      description: "At most so many chats. Without it, all of them.",
    }),
  cursor: z.string().min(1).max(200).optional()
    .meta({
      pattern: "^[0-9a-z]{1,11}\\.[0-9a-f-]{36}$",
      description: "Where to go on, out of the `Link` header of the page before.",
    }),
});

/** `POST /chats/{chat}/messages`; the message itself is decoded by `src/wire`. */
export const createMessageSchema = z.object({
  message: z.record(z.string(), z.unknown()).meta({
    description: "The user's message, in the form of AI SDK 4: `content`, `parts`, or both.",
  }),
  model: z.string().min(1).max(200).meta({ description: "The id of a model." }),
  thinking: z.boolean().optional().meta({
    description: "Asks for reasoning. A model that cannot reason just answers.",
  }),
  busy: z.enum(BUSY_POLICIES).optional().meta({
    description: "What to do while the chat is answering: refuse the message with 409, let it " +
      "wait its turn, or stop the answer for it.",
  }),
}).meta({ id: "CreateChatMessageRequest" });
export type CreateMessage = z.infer<typeof createMessageSchema>;

/** The query of `GET /chats/{chat}/stream`. */
export const resumeSchema = z.object({
  after: z.string().regex(/^\d{1,10}$/, "Expected a whole number").transform(Number).optional()
    .meta({
      type: "integer",
      minimum: 0,
      maximum: 9_999_999_999,
      description: "The number of the last event one has.",
    }),
  run: z.uuid("Expected a UUID").optional().meta({
    description: "The id of a run; by default the chat's live one.",
  }),
});

/** `POST /chats/{chat}/stop`. */
export const stopSchema = z.object({
  run_id: z.uuid("Expected a UUID").optional().meta({
    description: "Stops that run alone: a stale stop changes nothing.",
  }),
}).meta({ id: "StopRequest" });

/** What a stop came to. */
export const stoppedSchema = z.object({
  stopped: z.boolean(),
  run_id: z.uuid().optional(),
  reason: z.string().optional(),
}).meta({ id: "StopResponse" });

/** The query of `GET /usage`. */
export const usageQuerySchema = z.object({
  since: z.iso.datetime({ offset: true, error: "Expected a time such as 2026-11-01T00:00:00Z" })
    .optional().meta({ description: "By default 30 days ago." }),
});

/** `GET /deployment/llms`. */
export const modelsSchema = z.object({
  models: z.array(
    z.object({
      id: z.string().meta({ description: "What a message names as its `model`." }),
      display_name: z.string().meta({ description: "What to show a person." }),
      provider: z.string(),
    }).meta({
      id: "LanguageModel",
    }),
  ),
}).meta({ id: "LanguageModelConfig" });

/** `GET /users/me`: the fields of Coder's user that Parley knows. */
export const userSchema = z.object({
  id: z.uuid(),
  username: z.string(),
  name: z.string(),
}).meta({ id: "User" });

/** `GET /buildinfo`. */
export const buildInfoSchema = z.object({
  version: z.string(),
  external_url: z.string(),
}).meta({ id: "BuildInfoResponse" });

/** Every error. */
export const failureSchema = z.object({
  message: z.string().meta({ description: "What went wrong, for a person." }),
  detail: z.string().optional().meta({ description: "More of it: what was expected and found." }),
  validations: z.array(z.object({ field: z.string(), detail: z.string() })).optional()
    .meta({ description: "The fields of the request that were refused." }),
}).meta({ id: "Response" });

const toolInvocationSchema = z.object({
  state: z.enum(["partial-call", "call", "result"]),
  step: z.int().min(0).meta({ description: "In which step of the answer, from 0." }),
  toolCallId: z.string(),
  toolName: z.string(),
  args: z.record(z.string(), z.unknown()),
  result: z.unknown().optional().meta({ description: "With the state `result`." }),
}).meta({ id: "ToolInvocation" });

const attachmentSchema = z.object({
  name: z.string().optional(),
  contentType: z.string().optional(),
  url: z.string(),
}).meta({ id: "Attachment" });

const partSchema = z.object({
  type: z.enum(["text", "reasoning", "tool-invocation", "source", "file", "step-start"]),
  text: z.string().optional().meta({ description: "Of a `text`." }),
  reasoning: z.string().optional().meta({ description: "Of a `reasoning`." }),
  details: z.array(z.object({
    type: z.enum(["text", "redacted"]),
    text: z.string().optional(),
    signature: z.string().optional(),
    data: z.string().optional(),
  })).optional().meta({ description: "Of a `reasoning`, with the provider's signatures." }),
  toolInvocation: toolInvocationSchema.optional().meta({ description: "Of a `tool-invocation`." }),
  source: z.object({
    sourceType: z.literal("url"),
    id: z.string(),
    url: z.string(),
    title: z.string().optional(),
  }).optional().meta({ description: "Of a `source`." }),
  mimeType: z.string().optional().meta({ description: "Of a `file`." }),
  data: z.string().optional().meta({ description: "Of a `file`: its bytes in base64." }),
}).meta({ id: "Part" });

/** A message as `GET …/messages` lists it: AI SDK 4's form. */
export const messageSchema = z.object({
  id: z.string(),
  role: z.enum(["user", "assistant", "system"]),
  createdAt: time,
  content: z.string().meta({ description: "All of its text." }),
  parts: z.array(partSchema),
  annotations: z.array(z.unknown()).optional(),
  reasoning: z.string().optional().meta({ description: "All of its reasoning." }),
  toolInvocations: z.array(toolInvocationSchema).optional(),
  experimental_attachments: z.array(attachmentSchema).optional(),
}).meta({ id: "Message" });
