/** The schema of a message in the form of AI SDK 5 and later; see `ui_message.ts`. */
import { z } from "zod";
import {
  call,
  documentSchema,
  fileSchema,
  reasoningSchema,
  sourceUrlSchema,
  textSchema,
  toolSchema,
} from "./ui_parts.ts";
import { runMarkSchema } from "./unfinished.ts";

/** A tool call in any state. */
export const toolPartSchema = z.looseObject({
  ...call,
  state: z.enum(toolSchema.options.map(({ shape }) => shape.state.value)),
  output: z.unknown().optional().meta({ description: "With the state `output-available`." }),
  errorText: z.string().optional().meta({ description: "With the state `output-error`." }),
}).meta({ id: "UiToolPart", description: "A tool call, with its result once there is one." });

/** A file with its URL. */
export const filePartSchema = fileSchema.meta({ id: "UiFilePart" });

const partSchema = z.union([
  textSchema.meta({ id: "UiTextPart" }),
  reasoningSchema.meta({ id: "UiReasoningPart" }),
  toolPartSchema,
  sourceUrlSchema.meta({ id: "UiSourceUrlPart" }),
  documentSchema.meta({ id: "UiSourceDocumentPart" }),
  filePartSchema,
  z.looseObject({ type: z.literal("step-start") }).meta({ id: "UiStepStartPart" }),
  z.looseObject({ type: z.string() }).meta({
    id: "UiOtherPart",
    description: "A client's own part, such as `data-NAME`, kept and returned unchanged.",
  }),
]);

const count = z.int().min(0);

/** A message. */
export const uiMessageSchema = z.object({
  id: z.string(),
  role: z.enum(["user", "assistant", "system"]),
  parts: z.array(partSchema),
  metadata: z.looseObject({
    model: z.string().optional().meta({ description: "The model that made the answer." }),
    totalUsage: z.object({ inputTokens: count, outputTokens: count, totalTokens: count })
      .optional().meta({ description: "The tokens that the answer took." }),
    run: runMarkSchema.optional().meta({
      description: "Only if the answer is not complete, or there is none.",
    }),
    branches: z.object({ key: z.string(), siblings: z.array(z.string()) }).optional().meta({
      description:
        "If the message has alternatives: its key, and the keys of all of them, oldest " +
        "first. Each is a `branch`.",
    }),
  }).optional().meta({ description: "The client's own metadata, with Parley's additions." }),
}).meta({ id: "UiMessage", description: "A message in the form of AI SDK 5 and later." });
