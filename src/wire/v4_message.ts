/** Messages as AI SDK 4 and the seed's server have them, from the neutral form. */
import type { ProviderMetadata } from "../domain/event.ts";
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
import { toolArgs } from "./data_stream.ts";
import { dataUrl } from "./data_url.ts";

/** A message in AI SDK 4's form. */
export interface V4Message {
  id: string;
  role: string;
  createdAt: string;
  content: string;
  parts: V4Part[];
  annotations?: unknown[];
  reasoning?: string;
  toolInvocations?: V4ToolInvocation[];
  experimental_attachments?: V4Attachment[];
}

/** A part, with what unknown keys it has; parts of unknown type are shown as they came. */
export type V4Part =
  | { type: "text"; text: string }
  | { type: "step-start" }
  | { type: "reasoning"; reasoning: string; details: V4ReasoningDetail[] }
  | { type: "tool-invocation"; toolInvocation: V4ToolInvocation }
  | { type: "source"; source: V4Source }
  | { type: "file"; mimeType: string; data: string }
  | { type: `data-${string}` | `unknown-${string}` };

export interface V4Source {
  sourceType: "url";
  id: string;
  url: string;
  title?: string;
  providerMetadata?: ProviderMetadata;
}

export type V4ReasoningDetail =
  | { type: "text"; text: string; signature?: string }
  | { type: "redacted"; data: string };

export interface V4ToolInvocation {
  state: "partial-call" | "call" | "result";
  step: number;
  toolCallId: string;
  toolName: string;
  args: unknown;
  result?: unknown;
}

export interface V4Attachment {
  name?: string;
  contentType?: string;
  url: string;
}

/**
 * A message as AI SDK 4's clients show it. What has no form there is left out: documents as sources,
 * and files of answers that are not in a `data:` URL.
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
  const annotations = message.metadata["annotations"];
  return {
    id: message.id,
    role: message.role,
    createdAt: new Date(message.createdAt).toISOString(),
    content: messageText(message),
    parts,
    ...(Array.isArray(annotations) && { annotations }),
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
        return [part];
      case "text":
        return part.text === "" ? [] : [{ ...othersOf(part), type: "text", text: part.text }];
      case "reasoning":
        return renderReasoning(part);
      case "source-url":
        return [{ ...besideOf(part), type: "source", source: renderSource(part) }];
      case "file": {
        const file = message.role === "user" ? undefined : dataUrl(part.url);
        const { mediaType: mimeType } = part;
        return file ? [{ ...othersOf(part), type: "file", mimeType, data: file.base64 }] : [];
      }
      default:
        if (isUnknownPart(part)) return [part.value as V4Part];
        return isToolPart(part) ? [renderTool(part, Math.max(0, step))] : [];
    }
  });
}

/** Keys that AI SDK 4 has no word for, or another. */
const NEUTRAL: ReadonlySet<string> = new Set([
  ...["type", "text", "state", "providerMetadata", "mediaType", "url", "filename"],
  ...["toolName", "toolCallId", "input", "output", "errorText", "providerExecuted"],
  ...["callProviderMetadata", "resultProviderMetadata", "approval", "preliminary", "rawInput"],
  "v4Beside",
]);

/** The keys of a part that are no part of the neutral form. */
function othersOf(part: Part): Record<string, unknown> {
  return Object.fromEntries(Object.entries(part).filter(([key]) => !NEUTRAL.has(key)));
}

/** What `wire/v4_parts.ts` found beside a call or a source. */
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
 * The protocol has no ids of blocks: the clients make one part of all texts of a step, where the first
 * of them stood, and one of all reasoning.
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
  return {
    ...besideOf(part),
    type: "tool-invocation",
    toolInvocation: invocation(part, step),
  };
}

function invocation(part: ToolPart, step: number): V4ToolInvocation {
  const { toolCallId } = part;
  const { result: _, ...others } = othersOf(part);
  const call = {
    ...others,
    step,
    toolCallId,
    toolName: toolNameOf(part),
    // A call without arguments is one of no value, not of the value null.
    args: toolArgs(part.input === undefined ? {} : part.input),
  };
  switch (part.state) {
    case "input-streaming":
      return { state: "partial-call", ...call };
    case "output-available":
      return { state: "result", ...call, result: part.output ?? null };
    case "output-error": {
      // Arguments that were no JSON are shown as none, as on the stream.
      const args = typeof part.input === "string" ? {} : call.args;
      return { state: "result", ...call, args, result: { error: part.errorText ?? "" } };
    }
    case "output-denied":
      return { state: "result", ...call, result: { error: part.approval?.reason ?? DENIED } };
    default:
      return { state: "call", ...call };
  }
}

const DENIED = "The tool call was denied.";

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
