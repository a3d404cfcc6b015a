/**
 * Parts of messages in the forms of all AI SDK generations, to the neutral form. Unknown keys are
 * kept: the size of a request bounds them, and no model is ever sent one.
 */
import { z } from "zod";
import { fileIdOf } from "../domain/file.ts";
import type { Json, JsonObject } from "../domain/json.ts";
import type { FilePart, Part, ToolPart } from "../domain/message.ts";
import { invalidMessage, parseField } from "./invalid.ts";
import {
  fromV4File,
  fromV4Reasoning,
  fromV4Source,
  fromV4Tool,
  type SentPart,
} from "./v4_parts.ts";

const json = z.custom<Json>();
const providerMetadata = z.record(z.string(), z.record(z.string(), json)).optional();
const state = z.enum(["streaming", "done"]).optional();

const textSchema = z.looseObject({
  type: z.literal("text"),
  // Go's encoder leaves an empty text out.
  text: z.string().default(""),
  state,
  providerMetadata,
});
const reasoningSchema = z.looseObject({
  type: z.literal("reasoning"),
  id: z.string().optional(),
  text: z.string(),
  state,
  providerMetadata,
});
const sourceUrlSchema = z.looseObject({
  type: z.literal("source-url"),
  sourceId: z.string(),
  url: z.string(),
  title: z.string().optional(),
  providerMetadata,
});
const documentSchema = z.looseObject({
  type: z.literal("source-document"),
  sourceId: z.string(),
  mediaType: z.string(),
  title: z.string(),
  filename: z.string().optional(),
  providerMetadata,
});
const fileSchema = z.looseObject({
  type: z.literal("file"),
  mediaType: z.string(),
  url: z.string(),
  filename: z.string().optional(),
  providerMetadata,
});

const absent = z.undefined("Expected none in this state").optional();
const call = {
  type: z.string(),
  toolName: z.string().optional(),
  toolCallId: z.string().min(1),
  input: json.optional(),
  title: z.string().optional(),
  providerExecuted: z.boolean().optional(),
  callProviderMetadata: providerMetadata,
};
const open = { ...call, output: absent, errorText: absent };
const ended = { ...call, resultProviderMetadata: providerMetadata };

const asked = z.looseObject({ id: z.string(), approved: absent, reason: absent });
const answered = asked.extend({ approved: z.boolean(), reason: z.string().optional() });
const granted = answered.extend({ approved: z.literal(true) }).optional();

/**
 * What each state has, as the newest client's own schema says: one that reads the message again takes
 * a call by its state.
 */
const toolSchema = z.discriminatedUnion("state", [
  z.looseObject({
    ...open,
    state: z.literal("input-streaming"),
    rawInput: z.string().optional(),
    approval: absent,
  }),
  z.looseObject({ ...open, state: z.literal("input-available"), approval: absent }),
  z.looseObject({ ...open, state: z.literal("approval-requested"), approval: asked }),
  z.looseObject({ ...open, state: z.literal("approval-responded"), approval: answered }),
  z.looseObject({
    ...ended,
    state: z.literal("output-available"),
    output: json.optional(),
    errorText: absent,
    preliminary: z.boolean().optional(),
    approval: granted,
  }),
  z.looseObject({
    ...ended,
    state: z.literal("output-error"),
    output: absent,
    errorText: z.string(),
    approval: granted,
  }),
  z.looseObject({
    ...open,
    state: z.literal("output-denied"),
    approval: answered.extend({ approved: z.literal(false) }),
  }),
]);

/**
 * The part in the neutral form: several where one held several. A part of unknown type is kept whole.
 * @throws {AppError} `bad_request` that names the field.
 */
export function decodePart(part: SentPart, field: string): Part[] {
  switch (part.type) {
    case "text":
      return [parseField(textSchema, part, field) as Part];
    case "reasoning":
      return ("text" in part ? [part] : fromV4Reasoning(part, field))
        .map((block) => parseField(reasoningSchema, block, field) as Part);
    case "step-start":
      return [part as unknown as Part];
    case "file":
      return [decodeFile("mediaType" in part ? part : fromV4File(part, field), field)];
    case "source":
      return [parseField(sourceUrlSchema, fromV4Source(part, field), field) as Part];
    case "source-url":
      return [parseField(sourceUrlSchema, part, field) as Part];
    case "source-document":
      return [parseField(documentSchema, part, field) as Part];
    case "tool-invocation":
      // A tool of this name has the same type in the form of AI SDK 5 and later.
      return [decodeTool("state" in part ? part : fromV4Tool(part, field), field)];
    default:
      return [
        part.type === "dynamic-tool" || part.type.startsWith("tool-")
          ? decodeTool(part, field)
          : unknownPart(part),
      ];
  }
}

function unknownPart(part: SentPart): Part {
  return {
    type: part.type.startsWith("data-") ? part.type as `data-${string}` : `unknown-${part.type}`,
    value: part as JsonObject,
  };
}

function decodeTool(part: SentPart, field: string): ToolPart {
  const tool = parseField(toolSchema, part, field);
  if (tool.type === "dynamic-tool" && tool.toolName === undefined) {
    throw invalidMessage([{ field: `${field}.toolName`, detail: "Expected the name of the tool" }]);
  }
  return tool as unknown as ToolPart;
}

/**
 * A file, checked: a media type, and a URL that holds the file, or leads to it by http(s) or by a path
 * of this server.
 * @throws {AppError} `bad_request` that names the field.
 */
export function decodeFile(part: object, field: string): FilePart {
  const file = parseField(fileSchema, part, field);
  if (!/^[\w.+-]+\/[\w.+*-]+(;.*)?$/.test(file.mediaType)) {
    throw invalidMessage([{ field, detail: "Expected a media type such as image/png" }]);
  }
  if (!isFileUrl(file.url)) {
    const detail = "Expected a base64 data: URL, an http(s) URL or a file of this chat";
    throw invalidMessage([{ field: `${field}.url`, detail }]);
  }
  return file as FilePart;
}

function isFileUrl(url: string): boolean {
  if (url.startsWith("data:")) {
    return /^data:[^,]{0,300};base64,[A-Za-z0-9+/]*={0,2}$/.test(url);
  }
  if (fileIdOf(url) !== undefined) return true;
  return /^https?:\/\//.test(url) && URL.canParse(url);
}
