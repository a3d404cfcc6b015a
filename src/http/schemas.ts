/** What requests and responses hold: the same schemas validate and document. */
import { z } from "zod";
import { BUSY_POLICIES } from "../domain/policies.ts";
import { PROTOCOLS } from "../wire/negotiate.ts";

/** The longest title of a chat, in characters. */
const TITLE_LENGTH = 200;

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

const messageKey = z.string().max(100);

/** `PATCH /chats/{chat}`. */
export const updateChatSchema = z.object({
  title: title.optional(),
  branch: messageKey.optional().meta({
    description: "The key of a message: the branch through it becomes the active one.",
  }),
}).refine(
  (value) => value.title !== undefined || value.branch !== undefined,
  { error: "Expected a title or a branch", path: ["title"] },
).meta({
  id: "UpdateChatRequest",
  // What the refinement above says, for who reads the document.
  anyOf: [{ required: ["title"] }, { required: ["branch"] }],
});

/** `POST /chats/{chat}/fork`. */
export const forkSchema = z.object({
  message_id: z.string().max(200).optional().meta({
    description: "The last message of the new chat; by default the last of the active branch.",
  }),
  title: title.optional(),
}).meta({ id: "ForkRequest" });

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

const jsonObject = z.record(z.string(), z.unknown());
const toolName = z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/, "Expected up to 64 of a-z A-Z 0-9 _ -");

/** A tool that the client runs; `parameters` is AI SDK 4's word, `inputSchema` that of 5 and later. */
const toolSchema = z.object({
  name: toolName,
  description: z.string().max(10_000).optional(),
  parameters: jsonObject.optional(),
  inputSchema: jsonObject.optional(),
});

/** `POST /chats/{chat}/messages`; the message itself is decoded by `src/wire`. */
export const createMessageSchema = z.object({
  message: jsonObject.optional().meta({
    description: "The user's message, in the form of any AI SDK generation; or an answer that " +
      "comes back with the results of tools that the client ran.",
  }),
  messages: z.array(jsonObject).min(1).max(10_000).optional().meta({
    description: "What AI SDK clients send by default: the last one counts.",
  }),
  model: z.string().min(1).max(200).optional().meta({
    description: "The id of a model. May be left out with `messages`.",
  }),
  trigger: z.string().max(100).optional().meta({
    description: "Sent by AI SDK 5 and later; such a request is answered in the UI stream.",
  }),
  tools: z.array(toolSchema).max(128).optional().meta({
    description:
      "Tools that the client runs. An answer that calls one ends, and goes on when the " +
      "client sends it back with the results.",
  }),
  response_format: z.union([
    z.object({ type: z.literal("text") }),
    z.object({
      type: z.literal("json_schema"),
      json_schema: z.object({ name: toolName.optional(), schema: jsonObject }),
    }),
  ]).optional().meta({
    description: "The answer must be JSON of this schema; one that is not ends as failed.",
  }),
  thinking: z.boolean().optional().meta({
    description: "Asks for reasoning. A model that cannot reason just answers.",
  }),
  busy: z.enum(BUSY_POLICIES).optional().meta({
    description: "What to do while the chat is answering: refuse the message with 409, let it " +
      "wait its turn, or stop the answer for it.",
  }),
}).meta({ id: "CreateChatMessageRequest" });
export type CreateMessage = z.infer<typeof createMessageSchema>;

const protocol = z.enum(PROTOCOLS).optional().meta({
  description: "The form of the answer: `data` for AI SDK 4, `ui` for 5 and later. By default as " +
    "the request's headers tell.",
});

/** The query of `POST /chats/{chat}/messages`. */
export const protocolSchema = z.object({ protocol });

/** The query of `GET /chats/{chat}/messages`. */
export const historySchema = z.object({
  protocol,
  branch: z.uuid("Expected a UUID").or(z.string().regex(/^[0-9a-f-]{36}:\d+$/)).optional().meta({
    description: "The key of a message, out of the metadata of one with siblings.",
  }),
  include: z.literal("live", 'Expected "live"').optional().meta({
    description: "`live` lists the answer that is being made, too.",
  }),
  chatId: z.string().max(200).optional().meta({
    description: "Sent by AI SDK 4 to resume: answered with the live stream, or an empty one.",
  }),
});

/** The query of `GET /chats/{chat}/stream`. */
export const resumeSchema = z.object({
  protocol,
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

const toolInvocationSchema = z.looseObject({
  state: z.enum(["partial-call", "call", "result"]),
  step: z.int().min(0).meta({ description: "In which step of the answer, from 0." }),
  toolCallId: z.string(),
  toolName: z.string(),
  args: z.record(z.string(), z.unknown()),
  result: z.unknown().optional().meta({ description: "With the state `result`." }),
}).meta({ id: "ToolInvocation" });

const attachmentSchema = z.looseObject({
  name: z.string().optional(),
  contentType: z.string().optional(),
  url: z.string(),
}).meta({ id: "Attachment" });

const partSchema = z.looseObject({
  type: z.string().meta({
    description:
      "`text`, `reasoning`, `tool-invocation`, `source`, `file` or `step-start`; a part " +
      "of any other type is a client's own and as it came.",
  }),
  text: z.string().optional().meta({ description: "Of a `text`." }),
  reasoning: z.string().optional().meta({ description: "Of a `reasoning`." }),
  details: z.array(z.object({
    type: z.enum(["text", "redacted"]),
    text: z.string().optional(),
    signature: z.string().optional(),
    data: z.string().optional(),
  })).optional().meta({ description: "Of a `reasoning`, with the provider's signatures." }),
  toolInvocation: toolInvocationSchema.optional().meta({ description: "Of a `tool-invocation`." }),
  source: z.looseObject({
    sourceType: z.literal("url"),
    id: z.string(),
    url: z.string(),
    title: z.string().optional(),
    providerMetadata: jsonObject.optional(),
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
  annotations: z.array(z.unknown()).optional().meta({
    description: "What the client sent; and `{branches: {key, siblings}}`, where other messages " +
      "stand in the same place.",
  }),
  reasoning: z.string().optional().meta({ description: "All of its reasoning." }),
  toolInvocations: z.array(toolInvocationSchema).optional(),
  experimental_attachments: z.array(attachmentSchema).optional(),
}).meta({ id: "Message" });
