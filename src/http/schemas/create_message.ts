/** The body of `POST …/messages`. */
import { z } from "zod";
import { UNATTENDED } from "../../domain/approval.ts";
import { BUSY_POLICIES } from "../../domain/policies.ts";
import { nameSchema, objectSchema } from "../../wire/validate.ts";

const toolName = z.string().regex(/^[a-zA-Z0-9_-]{1,64}$/, "Expected up to 64 of a-z A-Z 0-9 _ -");

/** A tool that the client runs. AI SDK 4 says `parameters`, 5 and later `inputSchema`. */
const toolSchema = z.object({
  name: toolName,
  description: z.string().max(10_000).optional(),
  parameters: objectSchema.optional(),
  inputSchema: objectSchema.optional(),
});

/** The body as it is checked, except for the message, which `src/wire` decodes. */
export const createMessageSchema = z.object({
  message: objectSchema.optional(),
  messages: z.array(objectSchema).min(1).max(10_000).optional().meta({
    description: "The messages that the client shows. Only the last one counts, in the same form " +
      "as `message`; Parley has the others.",
  }),
  model: nameSchema().min(1).optional().meta({
    description:
      "The id of a model. With `messages`, the default is the configured model, or the " +
      "first.",
  }),
  trigger: nameSchema().optional().meta({
    description: "Sent by AI SDK 5 and later: the answer is a UI message stream.",
  }),
  tools: z.array(toolSchema).max(128).optional().meta({
    description: "Tools that the client runs. An answer that calls one ends, and continues when " +
      "the client sends it back with the results.",
  }),
  response_format: z.union([
    z.object({ type: z.literal("text") }),
    z.object({
      type: z.literal("json_schema"),
      json_schema: z.object({ name: toolName.optional(), schema: objectSchema }),
    }),
  ]).optional().meta({
    description: "The answer must be JSON that matches this schema, or the run fails.",
  }),
  thinking: z.boolean().optional().meta({
    description: "Asks for reasoning. A model that cannot reason just answers.",
  }),
  unattended: z.enum(UNATTENDED).optional().meta({
    description: "What becomes of a call of this server's tools that needs the approval of a " +
      "person: the answer ends until it comes, or, if nobody watches, the call is denied.",
  }),
  busy: z.enum(BUSY_POLICIES).optional().meta({
    description: "The policy if the chat is answering: refuse the message with 409, queue it, or " +
      "stop the answer.",
  }),
});

/** The checked body. */
export type CreateMessage = z.infer<typeof createMessageSchema>;
