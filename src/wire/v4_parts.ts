/** Converts AI SDK 4 parts to the form of AI SDK 5 and later. */
import { z } from "zod";
import type { ReasoningPart } from "../domain/message.ts";
import { callIdSchema, mediaTypeSchema } from "./ui_parts.ts";
import { parseField } from "./validate.ts";

/** A part as a client sent it, whatever its type. */
export type SentPart = { type: string } & Record<string, unknown>;

const detailSchema = z.union([
  z.object({ type: z.literal("text"), text: z.string(), signature: z.string().optional() }),
  z.object({ type: z.literal("redacted"), data: z.string() }),
]);
const reasoningSchema = z.looseObject({
  type: z.literal("reasoning"),
  reasoning: z.string(),
  details: z.array(detailSchema).max(1_000).optional(),
});
/** A tool call as a client sends it. */
export const toolSchema = z.looseObject({
  type: z.literal("tool-invocation"),
  toolInvocation: z.looseObject({
    state: z.enum(["partial-call", "call", "result"]),
    toolCallId: callIdSchema,
    toolName: z.string(),
    args: z.unknown().optional(),
    result: z.unknown().optional(),
  }),
});
const sourceSchema = z.looseObject({
  type: z.literal("source"),
  source: z.looseObject({ id: z.string(), url: z.string(), title: z.string().optional() }),
});

/** A file as a client sends it. */
export const fileSchema = z.looseObject({
  type: z.literal("file"),
  mimeType: mediaTypeSchema,
  data: z.string().meta({ pattern: "^[A-Za-z0-9+/]*={0,2}$", description: "In base64." }),
});

/** Splits the reasoning into its original blocks, one part each. */
export function fromV4Reasoning(part: SentPart, field: string): ReasoningPart[] {
  const { reasoning, details, ...rest } = parseField(reasoningSchema, part, field);
  const blocks = details?.length ? details : [{ type: "text" as const, text: reasoning }];
  return blocks.map((detail, index) => ({
    ...(index === 0 && rest),
    ...reasoningBlock(detail),
  }));
}

function reasoningBlock(detail: z.infer<typeof detailSchema>): ReasoningPart {
  if (detail.type === "redacted") {
    const anthropic = { redactedData: detail.data };
    return { type: "reasoning", text: "", providerMetadata: { anthropic } };
  }
  const { text, signature } = detail;
  return {
    type: "reasoning",
    text,
    ...(signature !== undefined && { providerMetadata: { anthropic: { signature } } }),
  };
}

const STATES = {
  "partial-call": "input-streaming",
  "call": "input-available",
  "result": "output-available",
} as const;

/** The call as a `dynamic-tool`. Its `step` is dropped: rendering counts the steps again. */
export function fromV4Tool(part: SentPart, field: string): SentPart {
  const { toolInvocation, type: _, ...beside } = parseField(toolSchema, part, field);
  const { state, toolCallId, toolName, args, result, step: __, ...rest } = toolInvocation;
  return {
    ...rest,
    ...v4Beside(beside),
    type: "dynamic-tool",
    toolName,
    toolCallId,
    state: STATES[state],
    ...(args !== undefined && { input: args }),
    ...(state === "result" && { output: result ?? null }),
  };
}

/** The source as a `source-url`, the only kind AI SDK 4 has. */
export function fromV4Source(part: SentPart, field: string): SentPart {
  const { source, type: _, ...beside } = parseField(sourceSchema, part, field);
  const { id, url, sourceType: __, ...rest } = source;
  return { ...rest, ...v4Beside(beside), type: "source-url", sourceId: id, url };
}

/** AI SDK 4 nests calls and sources in their parts: keeps the outer keys, to restore them there. */
function v4Beside(beside: object): { v4Beside?: object } {
  return Object.keys(beside).length > 0 ? { v4Beside: beside } : {};
}

/** The file with its bytes in a `data:` URL. */
export function fromV4File(part: SentPart, field: string): SentPart {
  const { mimeType, data, ...rest } = parseField(fileSchema, part, field);
  return { ...rest, mediaType: mimeType, url: `data:${mimeType};base64,${data}` };
}
