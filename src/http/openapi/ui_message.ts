/** A message in the form of AI SDK 5 and later, described. */
import { z } from "zod";

const state = z.enum(["streaming", "done"]).optional();
const providerMetadata = z.record(z.string(), z.unknown()).optional().meta({
  description: "The provider's own notes, such as signatures.",
});

const toolPart = z.looseObject({
  type: z.string().regex(/^(dynamic-tool|tool-.+)$/).meta({
    description: "`tool-NAME` for a tool that the request declared, else `dynamic-tool`.",
  }),
  toolName: z.string().optional().meta({ description: "With `dynamic-tool`." }),
  toolCallId: z.string(),
  state: z.enum([
    ...["input-streaming", "input-available", "output-available", "output-error"] as const,
    ...["approval-requested", "approval-responded", "output-denied"] as const,
  ]),
  input: z.unknown().optional(),
  output: z.unknown().optional().meta({ description: "With the state `output-available`." }),
  errorText: z.string().optional().meta({ description: "With the state `output-error`." }),
  providerExecuted: z.boolean().optional(),
}).meta({ id: "UiToolPart", description: "A tool call, with its result once there is one." });

const partSchema = z.union([
  z.looseObject({ type: z.literal("text"), text: z.string(), state, providerMetadata })
    .meta({ id: "UiTextPart" }),
  z.looseObject({ type: z.literal("reasoning"), text: z.string(), state, providerMetadata })
    .meta({ id: "UiReasoningPart" }),
  toolPart,
  z.looseObject({
    type: z.literal("source-url"),
    sourceId: z.string(),
    url: z.string(),
    title: z.string().optional(),
  }).meta({ id: "UiSourceUrlPart" }),
  z.looseObject({
    type: z.literal("source-document"),
    sourceId: z.string(),
    mediaType: z.string(),
    title: z.string(),
    filename: z.string().optional(),
  }).meta({ id: "UiSourceDocumentPart" }),
  z.looseObject({
    type: z.literal("file"),
    mediaType: z.string(),
    url: z.string(),
    filename: z.string().optional(),
  }).meta({ id: "UiFilePart" }),
  z.looseObject({ type: z.literal("step-start") }).meta({ id: "UiStepStartPart" }),
  z.looseObject({ type: z.string() }).meta({
    id: "UiOtherPart",
    description: "A part of a client's own, such as `data-NAME`: kept and given back as it came.",
  }),
]);

const metadataSchema = z.looseObject({
  model: z.string().optional().meta({ description: "Which model made the answer." }),
  totalUsage: z.object({
    inputTokens: z.int().min(0),
    outputTokens: z.int().min(0),
    totalTokens: z.int().min(0),
  }).optional().meta({ description: "What the answer took." }),
  branches: z.object({ key: z.string(), siblings: z.array(z.string()) }).optional().meta({
    description: "Where other messages stand in the same place: this message's key and those of " +
      "all of them, the oldest first. Each is a `branch`.",
  }),
}).meta({
  description: "What the client sent beside the parts, and what Parley knows of the message.",
});

/** What `GET …/messages?protocol=ui` lists. */
export const uiMessageSchema = z.object({
  id: z.string(),
  role: z.enum(["user", "assistant", "system"]),
  parts: z.array(partSchema),
  metadata: metadataSchema.optional(),
}).meta({ id: "UiMessage", description: "A message in the form of AI SDK 5 and later." });
