import type { LoggedEvent, RunEvent } from "../domain/event.ts";
import { isJsonObject } from "../domain/json.ts";
import type { Usage } from "../domain/usage.ts";
import type { WireEncoder } from "./encoder.ts";

/**
 * The AI SDK 4 data stream protocol, version 1: one part per line, `CODE:JSON`. Every `f` of a run
 * has the same `messageId`, there is exactly one `d`, and usage figures are always numbers.
 */
export const dataStream: WireEncoder = {
  headers: {
    "content-type": "text/plain; charset=utf-8",
    "x-vercel-ai-data-stream": "v1",
  },
  // The protocol has no comments, but clients skip empty lines.
  keepAlive: "\n",
  end: "",
  encode: ({ event }: LoggedEvent) => encodeEvent(event),
};

function encodeEvent(event: RunEvent): string {
  switch (event.type) {
    // An empty delta would open a part that is not in the history.
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
      // Clients reject a signature without reasoning before it; an empty `g` opens the block.
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
    case "tool-output-denied":
      return line("a", { toolCallId: event.toolCallId, result: { error: event.reason ?? DENIED } });
    case "source-url":
      return line("h", {
        sourceType: "url",
        id: event.sourceId,
        url: event.url,
        title: event.title,
        providerMetadata: event.providerMetadata,
      });
    case "file": {
      const data = base64Of(event.url);
      return data === undefined ? "" : line("k", { mimeType: event.mediaType, data });
    }
    default:
      return "";
  }
}

/** Stands for the result of a call that a person denied without a reason. */
export const DENIED = "The tool call was denied.";

/** Tool arguments as the protocol requires them: always an object. */
export function toolArgs(input: unknown): Record<string, unknown> {
  return isJsonObject(input) ? input : { value: input };
}

/** The contents of a base64 `data:` URL, in base64; undefined for any other URL. */
export function base64Of(url: string): string | undefined {
  const head = /^data:[^,]*;base64,/.exec(url.slice(0, 300))?.[0];
  return head === undefined ? undefined : url.slice(head.length);
}

function tokens(usage: Usage) {
  return { promptTokens: usage.inputTokens, completionTokens: usage.outputTokens };
}

function line(code: string, value: unknown): string {
  return `${code}:${JSON.stringify(value)}\n`;
}
