import type { RunFailure } from "./errors.ts";
import type { Json, JsonObject } from "./json.ts";
import type { Usage } from "./usage.ts";

/** Why a step or a run stopped generating: only reasons that every client version accepts. */
export type FinishReason = "stop" | "length" | "content-filter" | "tool-calls" | "error" | "other";

/** Provider-specific data of a part, by provider name: signatures, redacted data, item ids. */
export type ProviderMetadata = Record<string, JsonObject>;

/** What every event of a tool call has. */
interface ToolEvent {
  toolCallId: string;
  /** Set if the provider runs the tool. */
  providerExecuted?: true;
  /** Set if the request declared the tool: its client runs it, and knows it by its type. */
  declared?: true;
  /** Set if this server runs the tool. */
  server?: true;
}

/** A tool call that begins, or whose whole input is known. */
export interface ToolInputEvent extends ToolEvent {
  toolName: string;
}

/** The usage of a run. */
interface RunUsage {
  usage: Usage;
  /** The usage of the whole message, if the run continues an answer. */
  messageUsage?: Usage;
}

/**
 * One element of a run's log. Events are protocol-neutral, and each holds everything an encoder needs,
 * so encoding is a pure function of one event and a replay has the same bytes.
 *
 * Order: `start` once; per step `step-start`, parts, `step-finish`; then `finish` or `error`, last.
 */
export type RunEvent =
  | { type: "start"; messageId: string; model: string }
  | { type: "step-start"; messageId: string }
  | { type: "text-start"; id: string }
  | { type: "text-delta"; id: string; text: string }
  | { type: "text-end"; id: string; providerMetadata?: ProviderMetadata }
  | { type: "reasoning-start"; id: string; providerMetadata?: ProviderMetadata }
  | { type: "reasoning-delta"; id: string; text: string }
  | { type: "reasoning-end"; id: string; providerMetadata?: ProviderMetadata }
  | { type: "tool-input-start" } & ToolInputEvent
  | { type: "tool-input-delta"; toolCallId: string; text: string }
  | { type: "tool-input"; input: Json; providerMetadata?: ProviderMetadata } & ToolInputEvent
  /** `input` is the text that the model sent, which is not valid JSON. */
  | { type: "tool-input-error"; input: string; errorText: string } & ToolInputEvent
  | { type: "tool-output"; output: Json } & ToolEvent
  | { type: "tool-output-error"; errorText: string } & ToolEvent
  /** What there is to show of a call that runs, in place of the last. It is not part of the message. */
  | { type: "tool-progress"; output: Json } & ToolEvent
  | { type: "tool-approval-request"; approvalId: string } & ToolEvent
  | { type: "tool-output-denied"; reason?: string } & ToolEvent
  | {
    type: "source-url";
    sourceId: string;
    url: string;
    title?: string;
    providerMetadata?: ProviderMetadata;
  }
  | {
    type: "source-document";
    sourceId: string;
    mediaType: string;
    title: string;
    filename?: string;
    providerMetadata?: ProviderMetadata;
  }
  | { type: "file"; mediaType: string; url: string; providerMetadata?: ProviderMetadata }
  | { type: "step-finish"; finishReason: FinishReason; usage: Usage }
  | {
    type: "finish";
    state: "completed" | "stopped" | "interrupted";
    finishReason: FinishReason;
    model: string;
  } & RunUsage
  /** `model` is missing if the run could not be stored: the state of the message is then unknown. */
  | { type: "error"; failure: RunFailure; model?: string } & RunUsage;

/** An event with its position in the run's log, from 1 without gaps. */
export interface LoggedEvent {
  seq: number;
  event: RunEvent;
}
