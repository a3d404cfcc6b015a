import type { LoggedEvent, ProviderMetadata, RunEvent } from "../domain/event.ts";
import type { WireEncoder } from "./encoder.ts";
import { answerMetadata } from "./ui_message.ts";
import { unfinished } from "./unfinished.ts";

/**
 * The UI message stream of AI SDK 5, 6 and 7: server-sent events whose `id` is `RUN:N`, the run and the
 * number of the event in it. It uses only keys that every client since 5.0.93 knows: the older ones reject a frame with any other.
 */
export const uiMessageStream: WireEncoder = {
  headers: {
    "content-type": "text/event-stream",
    "x-vercel-ai-ui-message-stream": "v1",
  },
  keepAlive: ": keep-alive\n\n",
  end: "data: [DONE]\n\n",
  encode({ seq, event }: LoggedEvent, runId: string): string {
    return before(event) + `id: ${runId}:${seq}\ndata: ${frame(event)}\n\n`;
  },
};

/** `abort` and `error` cannot carry metadata, so it precedes them, without a number of its own. */
function before(event: RunEvent): string {
  const isBare = event.type === "error" || (event.type === "finish" && event.state === "stopped");
  if (!isBare) return "";
  const messageMetadata = metadataOf(event);
  if (!messageMetadata) return "";
  return `data: ${JSON.stringify({ type: "message-metadata", messageMetadata })}\n\n`;
}

type End = Extract<RunEvent, { type: "finish" | "error" }>;

function metadataOf(end: End) {
  const { usage, messageUsage, model } = end;
  if (model === undefined) return undefined;
  const ended = end.type === "error"
    ? { status: "failed" as const, failure: end.failure }
    : { status: end.state };
  return { ...answerMetadata({ usage: messageUsage ?? usage, model }), ...unfinished(ended) };
}

function frame(event: RunEvent): string {
  switch (event.type) {
    case "text-delta":
    case "reasoning-delta": {
      // The hot path: this saves an object.
      const { type, id, text } = event;
      return `{"type":"${type}","id":${JSON.stringify(id)},"delta":${JSON.stringify(text)}}`;
    }
    default:
      return JSON.stringify(chunk(event));
  }
}

type Rest = Exclude<RunEvent, { type: "text-delta" | "reasoning-delta" }>;

function chunk(event: Rest): object {
  switch (event.type) {
    case "start":
      return { type: "start", messageId: event.messageId };
    case "step-start":
      return { type: "start-step" };
    case "step-finish":
      return { type: "finish-step" };
    case "text-start":
    case "text-end":
    case "reasoning-start":
    case "reasoning-end":
      return event;
    case "finish":
      // A stopped run has no finish reason.
      if (event.state === "stopped") return { type: "abort" };
      return {
        type: "finish",
        finishReason: event.finishReason,
        messageMetadata: metadataOf(event),
      };
    case "error":
      return { type: "error", errorText: event.failure.message };
    case "source-url":
    case "source-document":
    case "file":
      return event;
    default:
      return toolChunk(event);
  }
}

type ToolEvent = Extract<RunEvent, { toolCallId: string }>;

function toolChunk(event: ToolEvent): object {
  const { toolCallId } = event;
  const flags = {
    ...("providerExecuted" in event && { providerExecuted: event.providerExecuted }),
    // The client knows a tool that the request declared by its type.
    ...(!("declared" in event) && { dynamic: true }),
  };
  switch (event.type) {
    case "tool-input-start":
      return { type: "tool-input-start", toolCallId, toolName: event.toolName, ...flags };
    case "tool-input-delta":
      return { type: "tool-input-delta", toolCallId, inputTextDelta: event.text };
    case "tool-input":
      return {
        type: "tool-input-available",
        toolCallId,
        toolName: event.toolName,
        input: event.input,
        ...metadata(event.providerMetadata),
        ...flags,
      };
    case "tool-input-error":
      return {
        type: "tool-input-error",
        toolCallId,
        toolName: event.toolName,
        input: event.input,
        errorText: event.errorText,
        ...flags,
      };
    case "tool-output":
      return { type: "tool-output-available", toolCallId, output: event.output, ...flags };
    case "tool-output-error":
      return { type: "tool-output-error", toolCallId, errorText: event.errorText, ...flags };
    case "tool-progress": {
      const { output } = event;
      return { type: "tool-output-available", toolCallId, output, preliminary: true, ...flags };
    }
    // Only clients since AI SDK 6 know these.
    case "tool-approval-request":
      return { type: "tool-approval-request", approvalId: event.approvalId, toolCallId };
    case "tool-output-denied":
      return { type: "tool-output-denied", toolCallId };
  }
}

function metadata(providerMetadata: ProviderMetadata | undefined) {
  return providerMetadata ? { providerMetadata } : {};
}
