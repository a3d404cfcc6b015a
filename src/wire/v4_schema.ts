/** The schema of a message in the form of AI SDK 4 and AgenticChat; see `v4_message.ts`. */
import { z } from "zod";

const optionalText = z.string().optional();

const toolInvocationSchema = z.looseObject({
  state: z.enum(["partial-call", "call", "result"]),
  step: z.int().min(0).meta({ description: "The step of the answer, from 0." }),
  toolCallId: z.string(),
  toolName: z.string(),
  args: z.record(z.string(), z.unknown()),
  result: z.unknown().optional().meta({ description: "With the state `result`." }),
}).meta({ id: "ToolInvocation" });

const attachmentSchema = z.looseObject({
  name: optionalText,
  contentType: optionalText,
  url: z.string(),
}).meta({ id: "Attachment" });

const detailSchema = z.union([
  z.object({ type: z.literal("text"), text: z.string(), signature: optionalText }),
  z.object({ type: z.literal("redacted"), data: z.string() }),
]);

const sourceSchema = z.looseObject({
  sourceType: z.literal("url"),
  id: z.string(),
  url: z.string(),
  title: optionalText,
  providerMetadata: z.record(z.string(), z.unknown()).optional(),
});

type OtherType = `data-${string}` | `unknown-${string}`;

const partSchema = z.union([
  z.looseObject({ type: z.literal("text"), text: z.string() }).meta({ id: "TextPart" }),
  z.looseObject({
    type: z.literal("reasoning"),
    reasoning: z.string(),
    details: z.array(detailSchema).meta({ description: "With the provider's signatures." }),
  }).meta({ id: "ReasoningPart" }),
  z.looseObject({ type: z.literal("tool-invocation"), toolInvocation: toolInvocationSchema })
    .meta({ id: "ToolInvocationPart" }),
  z.looseObject({ type: z.literal("source"), source: sourceSchema }).meta({ id: "SourcePart" }),
  z.looseObject({
    type: z.literal("file"),
    mimeType: z.string(),
    data: z.string().meta({ description: "In base64." }),
  }).meta({ id: "FilePart" }),
  z.looseObject({ type: z.literal("step-start") }).meta({ id: "StepStartPart" }),
  z.looseObject({ type: z.string() as z.ZodType<OtherType> }).meta({
    id: "OtherPart",
    description: "A client's own part, kept and returned unchanged.",
  }),
]);

/** A message. */
export const messageSchema = z.object({
  id: z.string(),
  role: z.enum(["user", "assistant", "system"]),
  createdAt: z.iso.datetime(),
  content: z.string().meta({ description: "All of its text." }),
  parts: z.array(partSchema),
  annotations: z.array(z.unknown()).optional().meta({
    description: "The client's own; `{run: {status, reason, message, retryable}}`, if the answer " +
      "is not complete; and last `{branches: {key, siblings}}`, if the message has alternatives.",
  }),
  reasoning: optionalText.meta({ description: "All of its reasoning." }),
  toolInvocations: z.array(toolInvocationSchema).optional(),
  experimental_attachments: z.array(attachmentSchema).optional(),
}).meta({ id: "Message" });

/** A message in AI SDK 4's form. */
export type V4Message = z.infer<typeof messageSchema>;
/** A part, with its unknown keys. A part of unknown type is returned as it was received. */
export type V4Part = z.infer<typeof partSchema>;
export type V4Source = z.infer<typeof sourceSchema>;
export type V4ToolInvocation = z.infer<typeof toolInvocationSchema>;
export type V4Attachment = z.infer<typeof attachmentSchema>;
