import type { RunFailure } from "./errors.ts";
import type { FinishReason, ProviderMetadata, RunEvent } from "./event.ts";
import type { Json, JsonObject } from "./json.ts";
import type { Usage } from "./usage.ts";

/** The author of a message. */
export type Role = "system" | "user" | "assistant";

/**
 * One part of a message: the AI SDK 5+ `UIMessage` part, from which the form of every protocol is
 * rendered. Parts of unknown type, and unknown keys of any part, are kept unchanged.
 */
export type Part =
  | TextPart
  | ReasoningPart
  | ToolPart
  | SourceUrlPart
  | SourceDocumentPart
  | FilePart
  | { type: "step-start" }
  | UnknownPart;

/** Text of a user or a model. */
export type TextPart = Block<"text">;

/** A model's thinking. */
export type ReasoningPart = Block<"reasoning">;

interface Block<Type> {
  type: Type;
  text: string;
  state?: "streaming" | "done";
  providerMetadata?: ProviderMetadata;
}

/**
 * A tool call, with its result once there is one. A tool declared in the client's request has its own
 * type, `tool-NAME`; any other is a `dynamic-tool` with a `toolName`.
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
  /** The user's approval of the call, requested or given. */
  approval?: { id: string; approved?: boolean; reason?: string };
}

/** The progress of a tool call. */
type ToolState =
  | "input-streaming"
  | "input-available"
  | "approval-requested"
  | "approval-responded"
  | "output-available"
  | "output-error"
  | "output-denied";

/** A web page that the model used. */
export type SourceUrlPart = Extract<RunEvent, { type: "source-url" }>;

type SourceDocumentPart = Extract<RunEvent, { type: "source-document" }>;

/** A file; `url` may be a `data:` URL. */
export interface FilePart {
  type: "file";
  mediaType: string;
  url: string;
  filename?: string;
  providerMetadata?: ProviderMetadata;
}

/** A part of unknown type: kept whole, returned unchanged, never sent to a model. */
interface UnknownPart {
  type: `data-${string}` | `unknown-${string}`;
  value: JsonObject;
}

/**
 * How an assistant message ended. A user message is `completed`, unless its last run left no answer: then
 * it says how that ended.
 */
export type MessageStatus = "completed" | "stopped" | "interrupted" | "failed";

/** A message in the neutral form, as stored. */
export interface Message {
  /** The id that clients use; unique within a branch. */
  id: string;
  role: Role;
  parts: Part[];
  /** What a client sent along with the parts, unchanged: v4 annotations, v5+ metadata. */
  metadata: JsonObject;
  status: MessageStatus;
  model: string | null;
  /** The reason of the status `failed`. */
  failure?: RunFailure | null;
  finishReason: FinishReason | null;
  usage: Usage | null;
  /** Milliseconds since the Unix epoch. */
  createdAt: number;
}

/** True for a tool call. */
export function isToolPart(part: Part): part is ToolPart {
  return part.type === "dynamic-tool" || part.type.startsWith("tool-");
}

/** True for a tool call that waits for a yes or no. */
export function isAsked(part: Part): part is ToolPart {
  return isToolPart(part) && part.state === "approval-requested";
}

/** True for a part of unknown type. Tests `type`, since a part of any type may have a key `value`. */
export function isUnknownPart(part: Part): part is UnknownPart {
  return part.type.startsWith("data-") || part.type.startsWith("unknown-");
}

/** True for a part that a model may be given. */
export function isSeen(part: Part): boolean {
  return !isUnknownPart(part) && !part.type.startsWith("source-");
}

/** The name of the called tool. */
export function toolNameOf({ type, toolName }: ToolPart): string {
  return toolName ?? type.slice("tool-".length);
}

/** True if there is anything to show: not for an answer that ended before its first word. */
export function saysAnything(parts: readonly Part[]): boolean {
  return parts.some((part) =>
    part.type !== "step-start" && !(part.type === "text" && part.text === "")
  );
}

/** The text of a message: its text parts, joined. */
export function messageText(message: Pick<Message, "parts">): string {
  return message.parts.map((part) => part.type === "text" ? part.text : "").join("");
}
