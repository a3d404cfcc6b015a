/** Renders messages in the form of AI SDK 4 and the AgenticChat server. */
import { isoTime } from "../domain/iso_time.ts";
import {
  isToolPart,
  isUnknownPart,
  type Message,
  messageText,
  type Part,
  type ReasoningPart,
  type SourceUrlPart,
  toolNameOf,
  type ToolPart,
} from "../domain/message.ts";
import { base64Of, DENIED, toolArgs } from "./data_stream.ts";
import { unfinished } from "./unfinished.ts";
import type { V4Attachment, V4Message, V4Part, V4Source, V4ToolInvocation } from "./v4_schema.ts";

/**
 * Renders a message for AI SDK 4 clients. Omits what they cannot represent: source documents, and
 * files of answers that are not in a `data:` URL.
 */
export function toV4(message: Message): V4Message {
  const isAnswer = message.role === "assistant";
  const rendered = renderParts(message);
  const parts = isAnswer ? joinBlocks(rendered) : rendered;
  const invocations = parts.flatMap((part) =>
    part.type === "tool-invocation" ? [part.toolInvocation] : []
  );
  const reasoning = parts.flatMap((part) =>
    part.type === "reasoning" && part.details.some(({ type }) => type === "text")
      ? [part.reasoning]
      : []
  );
  const attachments = message.role === "user" ? renderAttachments(message.parts) : [];
  const { run } = unfinished(message);
  const annotated = message.metadata["annotations"];
  const annotations = [...Array.isArray(annotated) ? annotated : [], ...run ? [{ run }] : []];
  return {
    id: message.id,
    role: message.role,
    createdAt: isoTime(message.createdAt),
    content: messageText(message),
    parts,
    ...((Array.isArray(annotated) || run) && { annotations }),
    ...(reasoning.length > 0 && { reasoning: reasoning.join("") }),
    ...(invocations.length > 0 && { toolInvocations: invocations }),
    ...(attachments.length > 0 && { experimental_attachments: attachments }),
  };
}

function renderParts(message: Message): V4Part[] {
  let step = -1;
  return message.parts.flatMap((part): V4Part[] => {
    switch (part.type) {
      case "step-start":
        step++;
        return [{ ...part }];
      case "text":
        return part.text === "" ? [] : [{ ...othersOf(part), type: "text", text: part.text }];
      case "reasoning":
        return renderReasoning(part);
      case "source-url":
        return [{ ...besideOf(part), type: "source", source: renderSource(part) }];
      case "file": {
        const data = message.role === "user" ? undefined : base64Of(part.url);
        if (data === undefined) return [];
        return [{ ...othersOf(part), type: "file", mimeType: part.mediaType, data }];
      }
      default:
        if (isUnknownPart(part)) return [part.value as V4Part];
        return isToolPart(part) ? [renderTool(part, Math.max(0, step))] : [];
    }
  });
}

/** Neutral keys: AI SDK 4 lacks them or names them differently. */
const NEUTRAL: ReadonlySet<string> = new Set([
  ...["type", "text", "state", "providerMetadata", "mediaType", "url", "filename"],
  ...["toolName", "toolCallId", "input", "output", "errorText", "providerExecuted"],
  ...["callProviderMetadata", "resultProviderMetadata", "approval", "preliminary", "rawInput"],
  "v4Beside",
]);

/** A part's keys outside the neutral form. */
function othersOf(part: Part): Record<string, unknown> {
  return Object.fromEntries(Object.entries(part).filter(([key]) => !NEUTRAL.has(key)));
}

/** The keys that `wire/v4_parts.ts` found next to a call or a source. */
interface Beside {
  v4Beside?: object;
}

function besideOf(part: Part & Beside): object {
  return typeof part.v4Beside === "object" ? part.v4Beside : {};
}

function renderReasoning(part: ReasoningPart): V4Part[] {
  const { redactedData, signature } = part.providerMetadata?.["anthropic"] ?? {};
  const others = othersOf(part);
  if (typeof redactedData === "string") {
    const details = [{ type: "redacted" as const, data: redactedData }];
    return [{ ...others, type: "reasoning", reasoning: "", details }];
  }
  const signed = typeof signature === "string" && { signature };
  if (part.text === "" && !signed) return [];
  const details = [{ type: "text" as const, text: part.text, ...signed }];
  return [{ ...others, type: "reasoning", reasoning: part.text, details }];
}

function renderSource(part: SourceUrlPart): V4Source {
  const { type: _, sourceId, v4Beside: __, ...rest } = part as SourceUrlPart & Beside;
  return { ...rest, sourceType: "url", id: sourceId };
}

/**
 * The protocol has no block ids: clients merge all text of a step into one part, at the place of the
 * first, and likewise all reasoning.
 */
function joinBlocks(parts: V4Part[]): V4Part[] {
  const joined: V4Part[] = [];
  let text: Extract<V4Part, { type: "text" }> | undefined;
  let reasoning: Extract<V4Part, { type: "reasoning" }> | undefined;
  for (const part of parts) {
    if (part.type === "step-start") text = reasoning = undefined;
    if (part.type === "text" && text) text.text += part.text;
    else if (part.type === "reasoning" && reasoning) {
      reasoning.reasoning += part.reasoning;
      reasoning.details.push(...part.details);
    } else {
      joined.push(part);
      if (part.type === "text") text = part;
      if (part.type === "reasoning") reasoning = part;
    }
  }
  return joined;
}

function renderTool(part: ToolPart, step: number): V4Part {
  const { result: _, ...others } = othersOf(part);
  const toolInvocation = {
    ...others,
    step,
    toolCallId: part.toolCallId,
    toolName: toolNameOf(part),
    args: toolArgs(hasArguments(part) ? part.input : {}),
    ...stateOf(part),
  };
  return { ...besideOf(part), type: "tool-invocation", toolInvocation };
}

/** As on the stream, arguments that were not JSON appear as none. */
function hasArguments({ input, state }: ToolPart): boolean {
  return input !== undefined && !(state === "output-error" && typeof input === "string");
}

function stateOf(part: ToolPart): Pick<V4ToolInvocation, "state" | "result"> {
  switch (part.state) {
    case "input-streaming":
      return { state: "partial-call" };
    case "output-available":
      return { state: "result", result: part.output ?? null };
    case "output-error":
      return { state: "result", result: { error: part.errorText ?? "" } };
    case "output-denied":
      return {
        state: "result",
        result: { error: part.approval?.reason ?? DENIED },
      };
    default:
      return { state: "call" };
  }
}

function renderAttachments(parts: Part[]): V4Attachment[] {
  return parts.filter((part) => part.type === "file").map((part) => {
    const { name: _, contentType: __, ...others } = othersOf(part);
    return {
      ...others,
      ...(part.filename !== undefined && { name: part.filename }),
      contentType: part.mediaType,
      url: part.url,
    };
  });
}
