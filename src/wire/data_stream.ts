import type { LoggedEvent, RunEvent } from "../domain/event.ts";
import type { Usage } from "../domain/usage.ts";
import { dataUrl } from "./data_url.ts";
import type { WireEncoder } from "./encoder.ts";

/**
 * The AI SDK 4 data stream protocol, version 1: one part a line, `CODE:JSON`. Every `f` of a run has
 * the same `messageId`, there is one `d`, and usage figures are always numbers.
 */
export const dataStream: WireEncoder = {
  headers: {
    "content-type": "text/plain; charset=utf-8",
    "x-vercel-ai-data-stream": "v1",
  },
  // The protocol has no comments; empty lines are skipped.
  keepAlive: "\n",
  end: "",
  encode: ({ event }: LoggedEvent) => encodeEvent(event),
};

function encodeEvent(event: RunEvent): string {
  switch (event.type) {
    // An empty piece would open a part that the history does not have.
    case "text-delta":
      return event.text === "" ? "" : `0:${JSON.stringify(event.text)}\n`;
    case "reasoning-delta":
      return event.text === "" ? "" : `g:${JSON.stringify(event.text)}\n`;
    case "step-start":
      return line("f", { messageId: event.messageId });
    case "step-finish":
      return line("e", {
        finishReason: event.finishReason,
        usage: tokens(event.usage),
        isContinued: false,
      });
    case "finish":
      return line("d", { finishReason: event.finishReason, usage: tokens(event.usage) });
    case "error":
      return line("3", event.failure.message) +
        line("d", { finishReason: "error", usage: tokens(event.usage) });
    default:
      return encodePart(event);
  }
}

function encodePart(event: RunEvent): string {
  switch (event.type) {
    case "reasoning-start": {
      const data = event.providerMetadata?.["anthropic"]?.["redactedData"];
      return typeof data === "string" ? line("i", { data }) : "";
    }
    case "reasoning-end": {
      const signature = event.providerMetadata?.["anthropic"]?.["signature"];
      // A client refuses a signature before any reasoning; an empty one opens the block.
      return typeof signature === "string" ? line("g", "") + line("j", { signature }) : "";
    }
    case "tool-input-start":
      return line("b", { toolCallId: event.toolCallId, toolName: event.toolName });
    case "tool-input-delta":
      return line("c", { toolCallId: event.toolCallId, argsTextDelta: event.text });
    case "tool-input":
      return line("9", {
        toolCallId: event.toolCallId,
        toolName: event.toolName,
        args: toolArgs(event.input),
      });
    case "tool-input-error":
      return line("9", { toolCallId: event.toolCallId, toolName: event.toolName, args: {} }) +
        line("a", { toolCallId: event.toolCallId, result: { error: event.errorText } });
    case "tool-output":
      return line("a", { toolCallId: event.toolCallId, result: event.output });
    case "tool-output-error":
      return line("a", { toolCallId: event.toolCallId, result: { error: event.errorText } });
    case "source-url":
      return line("h", {
        sourceType: "url",
        id: event.sourceId,
        url: event.url,
        title: event.title,
        providerMetadata: event.providerMetadata,
      });
    case "file": {
      const file = dataUrl(event.url);
      return file ? line("k", { mimeType: event.mediaType, data: file.base64 }) : "";
    }
    default:
      return "";
  }
}

/** Arguments as the protocol takes them: always an object. */
export function toolArgs(input: unknown): object {
  return typeof input === "object" && input !== null && !Array.isArray(input)
    ? input
    : { value: input };
}

function tokens(usage: Usage) {
  return { promptTokens: usage.inputTokens, completionTokens: usage.outputTokens };
}

function line(code: string, value: unknown): string {
  return `${code}:${JSON.stringify(value)}\n`;
}
