import type { FinishReason, ProviderMetadata } from "./event.ts";
import type { Json, JsonObject } from "./json.ts";
import type { Usage } from "./usage.ts";

/** Who said it. */
export type Role = "system" | "user" | "assistant";

/**
 * One part of a message: the AI SDK 5+ `UIMessage` part, which every protocol's form is rendered
 * from. Parts of unknown type are kept as they came, and so are unknown keys of any part.
 */
export type Part =
  | TextPart
  | ReasoningPart
  | ToolPart
  | SourceUrlPart
  | SourceDocumentPart
  | FilePart
  | StepStartPart
  | UnknownPart;

export interface TextPart {
  type: "text";
  text: string;
  state?: "streaming" | "done";
  providerMetadata?: ProviderMetadata;
}

export interface ReasoningPart {
  type: "reasoning";
  text: string;
  state?: "streaming" | "done";
  providerMetadata?: ProviderMetadata;
}

/**
 * A tool call with, once there is one, its result. A tool that the client's request declared has a
 * type of its own, `tool-NAME`; any other is a `dynamic-tool` with a `toolName`.
 */
export interface ToolPart {
  type: "dynamic-tool" | `tool-${string}`;
  toolName?: string;
  toolCallId: string;
  state: ToolState;
  input?: Json;
  output?: Json;
  errorText?: string;
  providerExecuted?: boolean;
  callProviderMetadata?: ProviderMetadata;
  /** What the user was asked about the call, and said. */
  approval?: { id: string; approved?: boolean; reason?: string };
}

/** How far a tool call has come. Parley's own tools need no approval; a client's may. */
export type ToolState =
  | "input-streaming"
  | "input-available"
  | "approval-requested"
  | "approval-responded"
  | "output-available"
  | "output-error"
  | "output-denied";

export interface SourceUrlPart {
  type: "source-url";
  sourceId: string;
  url: string;
  title?: string;
  providerMetadata?: ProviderMetadata;
}

export interface SourceDocumentPart {
  type: "source-document";
  sourceId: string;
  mediaType: string;
  title: string;
  filename?: string;
  providerMetadata?: ProviderMetadata;
}

/** A file; `url` may be a `data:` URL. */
export interface FilePart {
  type: "file";
  mediaType: string;
  url: string;
  filename?: string;
  providerMetadata?: ProviderMetadata;
}

export interface StepStartPart {
  type: "step-start";
}

/** A part that Parley does not know: kept whole, sent back as it came, never sent to a model. */
export interface UnknownPart {
  type: `data-${string}` | `unknown-${string}`;
  value: JsonObject;
}

/** How an assistant's message came to its end; a user's message is always `completed`. */
export type MessageStatus = "completed" | "stopped" | "interrupted" | "failed";

/** A message in the one neutral form in which it is stored. */
export interface Message {
  /** What clients call it; unique among the messages of one branch. */
  id: string;
  role: Role;
  parts: Part[];
  /** What a client put beside the parts, kept as it came: v4 annotations, v5+ metadata. */
  metadata: JsonObject;
  status: MessageStatus;
  model: string | null;
  finishReason: FinishReason | null;
  usage: Usage | null;
  /** Milliseconds since the Unix epoch. */
  createdAt: number;
}

/** True for a tool call. */
export function isToolPart(part: Part): part is ToolPart {
  return part.type === "dynamic-tool" || part.type.startsWith("tool-");
}

/** True for a part that is kept whole. Its type tells: a part of any type may have a key `value`. */
export function isUnknownPart(part: Part): part is UnknownPart {
  return part.type.startsWith("data-") || part.type.startsWith("unknown-");
}

/** The name of the tool that was called. */
export function toolNameOf({ type, toolName }: ToolPart): string {
  return toolName ?? type.slice("tool-".length);
}

/** True where there is anything to show: not for an answer that ended before its first word. */
export function saysAnything(parts: readonly Part[]): boolean {
  return parts.some((part) =>
    part.type !== "step-start" && !(part.type === "text" && part.text === "")
  );
}

/** The text of a message: its text parts, joined. */
export function messageText(message: Pick<Message, "parts">): string {
  return message.parts.map((part) => part.type === "text" ? part.text : "").join("");
}
