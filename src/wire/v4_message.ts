/** Messages as AI SDK 4 and the seed's server have them, from the neutral form. */
import {
  isToolPart,
  type Message,
  messageText,
  type Part,
  type ReasoningPart,
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

export type V4Part =
  | { type: "text"; text: string }
  | { type: "step-start" }
  | { type: "reasoning"; reasoning: string; details: V4ReasoningDetail[] }
  | { type: "tool-invocation"; toolInvocation: V4ToolInvocation }
  | { type: "source"; source: { sourceType: "url"; id: string; url: string; title?: string } }
  | { type: "file"; mimeType: string; data: string };

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

/** A message as AI SDK 4's clients show it. What has no form there is left out. */
export function toV4(message: Message): V4Message {
  const parts = joinReasoning(renderParts(message));
  const invocations = parts.flatMap((part) =>
    part.type === "tool-invocation" ? [part.toolInvocation] : []
  );
  const reasoning = parts.flatMap((part) => part.type === "reasoning" ? [part.reasoning] : []);
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
        return [{ type: "step-start" }];
      case "text":
        return [{ type: "text", text: part.text }];
      case "reasoning":
        return [{ type: "reasoning", reasoning: part.text, details: [reasoningDetail(part)] }];
      case "source-url":
        return [{
          type: "source",
          source: {
            sourceType: "url",
            id: part.sourceId,
            url: part.url,
            ...(part.title !== undefined && { title: part.title }),
          },
        }];
      case "file": {
        const file = message.role === "user" ? undefined : dataUrl(part.url);
        return file ? [{ type: "file", mimeType: part.mediaType, data: file.base64 }] : [];
      }
      default:
        return isToolPart(part)
          ? [{ type: "tool-invocation", toolInvocation: invocation(part, Math.max(0, step)) }]
          : [];
    }
  });
}

function reasoningDetail(part: ReasoningPart): V4ReasoningDetail {
  const { redactedData, signature } = part.providerMetadata?.["anthropic"] ?? {};
  if (typeof redactedData === "string") return { type: "redacted", data: redactedData };
  return { type: "text", text: part.text, ...(typeof signature === "string" && { signature }) };
}

/** The clients make one part of reasoning blocks that follow each other. */
function joinReasoning(parts: V4Part[]): V4Part[] {
  const joined: V4Part[] = [];
  for (const part of parts) {
    const last = joined.at(-1);
    if (part.type !== "reasoning" || last?.type !== "reasoning") joined.push(part);
    else {
      last.reasoning += part.reasoning;
      last.details.push(...part.details);
    }
  }
  return joined;
}

function invocation(part: ToolPart, step: number): V4ToolInvocation {
  const call = { step, toolCallId: part.toolCallId, toolName: toolNameOf(part) };
  switch (part.state) {
    case "input-streaming":
      return { state: "partial-call", ...call, args: toolArgs(part.input ?? {}) };
    case "input-available":
      return { state: "call", ...call, args: toolArgs(part.input ?? {}) };
    case "output-available":
      return {
        state: "result",
        ...call,
        args: toolArgs(part.input ?? {}),
        result: part.output ?? null,
      };
    case "output-error":
      // Arguments that were no JSON are shown as none, as on the stream.
      return {
        state: "result",
        ...call,
        args: typeof part.input === "string" ? {} : toolArgs(part.input ?? {}),
        result: { error: part.errorText ?? "" },
      };
  }
}

function renderAttachments(parts: Part[]): V4Attachment[] {
  return parts.flatMap((part) =>
    part.type === "file"
      ? [{
        ...(part.filename !== undefined && { name: part.filename }),
        contentType: part.mediaType,
        url: part.url,
      }]
      : []
  );
}
