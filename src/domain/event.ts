import type { RunFailure } from "./errors.ts";
import type { Json, JsonObject } from "./json.ts";
import type { Usage } from "./usage.ts";

/** Why a step or a run stopped making tokens: the reasons that every client generation takes. */
export type FinishReason = "stop" | "length" | "content-filter" | "tool-calls" | "error" | "other";

/** A provider's own notes on a part, by provider name: signatures, redacted data, item ids. */
export type ProviderMetadata = Record<string, JsonObject>;

/**
 * One element of a run's log. Neutral: no protocol's names, and each event holds all that an encoder
 * needs, so that encoding is a pure function of one event and a replay has the same bytes.
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
  | {
    type: "tool-input-start";
    toolCallId: string;
    toolName: string;
    providerExecuted?: true;
    declared?: true;
  }
  | { type: "tool-input-delta"; toolCallId: string; text: string }
  | {
    type: "tool-input";
    toolCallId: string;
    toolName: string;
    input: Json;
    providerExecuted?: true;
    /** Set where the request declared the tool: its client runs it, and knows it by its type. */
    declared?: true;
    providerMetadata?: ProviderMetadata;
  }
  | {
    type: "tool-input-error";
    toolCallId: string;
    toolName: string;
    /** The text that the model sent and that is not valid JSON. */
    input: string;
    errorText: string;
    providerExecuted?: true;
    declared?: true;
  }
  | {
    type: "tool-output";
    toolCallId: string;
    output: Json;
    providerExecuted?: true;
    declared?: true;
  }
  | {
    type: "tool-output-error";
    toolCallId: string;
    errorText: string;
    providerExecuted?: true;
    declared?: true;
  }
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
    usage: Usage;
    /** What the whole message took, where the run continues an answer. */
    messageUsage?: Usage;
    model: string;
  }
  | {
    type: "error";
    failure: RunFailure;
    usage: Usage;
    messageUsage?: Usage;
    /** Missing where the run could not be stored: then nothing certain is known of the message. */
    model?: string;
  };

/** An event with its place in the run's log: 1 for the first, then without gaps. */
export interface LoggedEvent {
  seq: number;
  event: RunEvent;
}
