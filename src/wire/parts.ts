/**
 * Decodes message parts of every AI SDK version into the neutral form. Unknown keys are kept: the
 * request size limits them, and no model ever sees one.
 */
import type { JsonObject } from "../domain/json.ts";
import type { FilePart, Part, ToolPart } from "../domain/message.ts";
import {
  documentSchema,
  fileSchema,
  reasoningSchema,
  sourceUrlSchema,
  textSchema,
  toolSchema,
} from "./ui_parts.ts";
import {
  fromV4File,
  fromV4Reasoning,
  fromV4Source,
  fromV4Tool,
  type SentPart,
} from "./v4_parts.ts";
import { invalidMessage, parseField } from "./validate.ts";

/**
 * Decodes a part into the neutral form. One part may yield several; one of unknown type is kept whole.
 * @throws {AppError} `bad_request` naming the field.
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
      // In AI SDK 5 and later, a tool called `invocation` has the same type.
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
    throw invalidMessage(`${field}.toolName`, "Expected the name of the tool");
  }
  return tool as unknown as ToolPart;
}

/**
 * Decodes and checks a file.
 * @throws {AppError} `bad_request` naming the field.
 */
export function decodeFile(part: object, field: string): FilePart {
  return parseField(fileSchema, part, field) as FilePart;
}
