/** Parts of messages in the forms of all AI SDK generations, to the neutral form. */
import { z } from "zod";
import { fileIdOf } from "../domain/file.ts";
import type { Json, JsonObject } from "../domain/json.ts";
import type { FilePart, Part, ReasoningPart, ToolPart } from "../domain/message.ts";
import { invalidMessage } from "./invalid.ts";

const json = z.custom<Json>();
const metadata = z.custom<NonNullable<ReasoningPart["providerMetadata"]>>(
  (value) => typeof value === "object" && value !== null,
).optional();
const state = z.enum(["streaming", "done"]).optional();

const textSchema = z.object({
  type: z.literal("text"),
  // Go's encoder leaves an empty text out.
  text: z.string().default(""),
  state,
  providerMetadata: metadata,
});
const reasoningSchema = z.object({
  type: z.literal("reasoning"),
  text: z.string(),
  state,
  providerMetadata: metadata,
});
const v4ReasoningSchema = z.object({
  reasoning: z.string(),
  details: z.array(z.union([
    z.object({ type: z.literal("text"), text: z.string(), signature: z.string().optional() }),
    z.object({ type: z.literal("redacted"), data: z.string() }),
  ])).optional(),
});
const toolSchema = z.looseObject({
  toolName: z.string().optional(),
  toolCallId: z.string().min(1),
  state: z.string(),
  input: json.optional(),
  output: json.optional(),
  errorText: z.string().optional(),
});
const v4ToolSchema = z.object({
  toolInvocation: z.object({
    state: z.enum(["partial-call", "call", "result"]),
    toolCallId: z.string().min(1),
    toolName: z.string(),
    args: json.optional(),
    result: json.optional(),
  }),
});
const sourceUrlSchema = z.looseObject({
  sourceId: z.string(),
  url: z.string(),
  title: z.string().optional(),
});
const v4SourceSchema = z.object({
  source: z.looseObject({ id: z.string(), url: z.string(), title: z.string().optional() }),
});
const documentSchema = z.looseObject({
  sourceId: z.string(),
  mediaType: z.string(),
  title: z.string(),
});
const v4FileSchema = z.object({ mimeType: z.string(), data: z.string() });
const fileSchema = z.object({
  mediaType: z.string(),
  url: z.string(),
  filename: z.string().optional(),
  providerMetadata: metadata,
});

/** A part as a client sent it, whatever its type. */
export type SentPart = { type: string } & Record<string, unknown>;

/**
 * The part in the neutral form: several where one held several. A part of unknown type is kept whole.
 * @throws {AppError} `bad_request` that names the field.
 */
export function decodePart(part: SentPart, field: string): Part[] {
  switch (part.type) {
    case "text":
      return [parse(textSchema, part, field) as Part];
    case "reasoning":
      return "text" in part
        ? [parse(reasoningSchema, part, field) as Part]
        : fromV4Reasoning(parse(v4ReasoningSchema, part, field));
    case "step-start":
      return [{ type: "step-start" }];
    case "file":
      return [decodeFile(part, field)];
    case "tool-invocation":
      return [fromV4Tool(parse(v4ToolSchema, part, field).toolInvocation)];
    case "source": {
      const { id, url, title } = parse(v4SourceSchema, part, field).source;
      return [{ type: "source-url", sourceId: id, url, ...(title !== undefined && { title }) }];
    }
    case "source-url":
      return [parse(sourceUrlSchema, part, field) as unknown as Part];
    case "source-document":
      return [parse(documentSchema, part, field) as unknown as Part];
    default:
      if (part.type === "dynamic-tool" || part.type.startsWith("tool-")) {
        return [parse(toolSchema, part, field) as unknown as Part];
      }
      return [{
        type: part.type.startsWith("data-")
          ? part.type as `data-${string}`
          : `unknown-${part.type}`,
        value: part as JsonObject,
      }];
  }
}

function fromV4Reasoning({ reasoning, details }: z.infer<typeof v4ReasoningSchema>): Part[] {
  const blocks = details?.length ? details : [{ type: "text" as const, text: reasoning }];
  return blocks.map((detail): ReasoningPart =>
    detail.type === "redacted"
      ? {
        type: "reasoning",
        text: "",
        providerMetadata: { anthropic: { redactedData: detail.data } },
      }
      : {
        type: "reasoning",
        text: detail.text,
        ...("signature" in detail && detail.signature !== undefined &&
          { providerMetadata: { anthropic: { signature: detail.signature } } }),
      }
  );
}

type V4Call = z.infer<typeof v4ToolSchema>["toolInvocation"];

function fromV4Tool({ state, toolCallId, toolName, args, result }: V4Call): ToolPart {
  const call = {
    type: "dynamic-tool" as const,
    toolName,
    toolCallId,
    ...(args !== undefined && { input: args }),
  };
  switch (state) {
    case "partial-call":
      return { ...call, state: "input-streaming" };
    case "call":
      return { ...call, state: "input-available" };
    case "result":
      return { ...call, state: "output-available", output: result ?? null };
  }
}

function decodeFile(part: SentPart, field: string): FilePart {
  if ("mimeType" in part) {
    const { mimeType, data } = parse(v4FileSchema, part, field);
    return filePart({ mediaType: mimeType, url: `data:${mimeType};base64,${data}` }, field);
  }
  return filePart(parse(fileSchema, part, field), field);
}

/**
 * A file, checked: a media type, and a URL that holds the file, or leads to it by http(s) or by a path
 * of this server.
 * @throws {AppError} `bad_request` that names the field.
 */
export function filePart(file: z.infer<typeof fileSchema>, field: string): FilePart {
  const { mediaType, url, filename, providerMetadata } = file;
  if (!/^[\w.+-]+\/[\w.+*-]+(;.*)?$/.test(mediaType)) {
    throw invalidMessage([{ field, detail: "Expected a media type such as image/png" }]);
  }
  if (!isFileUrl(url)) {
    const detail = "Expected a base64 data: URL, an http(s) URL or a file of this chat";
    throw invalidMessage([{ field: `${field}.url`, detail }]);
  }
  return {
    type: "file",
    mediaType,
    url,
    ...(filename !== undefined && { filename }),
    ...(providerMetadata && { providerMetadata }),
  };
}

function isFileUrl(url: string): boolean {
  if (url.startsWith("data:")) {
    return /^data:[^,]{0,300};base64,[A-Za-z0-9+/]*={0,2}$/.test(url);
  }
  if (fileIdOf(url) !== undefined) return true;
  return /^https?:\/\//.test(url) && URL.canParse(url);
}

function parse<T>(schema: z.ZodType<T>, part: unknown, field: string): T {
  const parsed = schema.safeParse(part);
  if (parsed.success) return parsed.data;
  throw invalidMessage(
    parsed.error.issues.slice(0, 20).map(({ path, message }) => ({
      field: [field, ...path].join("."),
      detail: message,
    })),
  );
}
