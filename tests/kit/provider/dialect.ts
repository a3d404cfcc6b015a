/** The interface of a wire format, and what the formats share. */
import type { ContentStep, Failure, FinishReason, Step, ToolCall, Usage } from "./script.ts";

/**
 * The wire formats: OpenAI's chat completions (also of compatible servers) and Responses API,
 * Anthropic's messages, Google's generateContent.
 */
export type DialectName = "chat" | "responses" | "anthropic" | "google";

/** The context that the frames of one answer share. */
export interface AnswerContext {
  /** Generates ids: "000001" for the first request, so that equal scripts give bodies of equal length. */
  readonly serial: string;
  readonly model: string;
  /** If undefined, none is reported. */
  readonly usage: Required<Usage> | undefined;
}

/** Renders one streamed answer; each method returns whole SSE frames, or "" for none. */
export interface StreamRenderer {
  start(): string;
  content(step: ContentStep): string;
  error(failure: Failure): string;
  finish(reason: FinishReason): string;
}

/** A wire format. */
export interface Dialect {
  readonly name: DialectName;
  /** Whether the first frame reports the input tokens, so that even a cut answer has reported them. */
  readonly inputFirst: boolean;
  /** Whether a streaming request with this body gets its usage. */
  wantsUsage(body: Record<string, unknown>): boolean;
  stream(context: AnswerContext): StreamRenderer;
  /** The JSON body of an answer that is not streamed. */
  whole(context: AnswerContext, blocks: readonly Block[], reason: FinishReason): unknown;
  /** The JSON body of an HTTP error. */
  failure(failure: Failure): unknown;
}

/** A block of an answer: adjacent steps of one kind, joined. */
export type Block =
  | { kind: "text"; text: string; sources: { url: string; title: string }[] }
  | { kind: "reasoning"; text: string; signature?: string }
  | { kind: "redacted"; data: string }
  | { kind: "tool"; call: ToolCall }
  | { kind: "file"; mediaType: string; data: string };

/** The creation time of every answer, in Unix seconds: fixed, so that equal requests get equal bytes. */
export const CREATED = 1_750_000_000;

/** One server-sent event with a JSON payload. */
export function sse(payload: unknown, event?: string): string {
  const data = `data: ${JSON.stringify(payload)}\n\n`;
  return event === undefined ? data : `event: ${event}\n${data}`;
}

/** The arguments of a call as JSON text. */
export function argsText(call: ToolCall): string {
  return typeof call.args === "string" ? call.args : JSON.stringify(call.args ?? {});
}

/** The arguments of a call, in the pieces to stream. */
export function argsPieces(call: ToolCall): string[] {
  const letters = Array.from(argsText(call));
  const size = Math.max(1, Math.ceil(letters.length / (call.chunks ?? 1)));
  const pieces: string[] = [];
  for (let at = 0; at < letters.length; at += size) {
    pieces.push(letters.slice(at, at + size).join(""));
  }
  return pieces;
}

/** The text of an answer that is not streamed. */
export function textOf(blocks: readonly Block[]): string {
  return blocks.map((block) => block.kind === "text" ? block.text : "").join("");
}

/** The steps of an answer, joined for a dialect's whole JSON. */
export function blocksOf(steps: readonly Step[]): Block[] {
  const blocks: Block[] = [];
  for (const step of steps) {
    if ("text" in step) textBlock(blocks).text += step.text;
    else if ("source" in step) textBlock(blocks).sources.push(step.source);
    else if ("reasoning" in step) reasoningBlock(blocks).text += step.reasoning;
    else if ("reasoningSignature" in step) {
      reasoningBlock(blocks).signature = step.reasoningSignature;
    } else if ("redactedReasoning" in step) {
      blocks.push({ kind: "redacted", data: step.redactedReasoning });
    } else if ("toolCall" in step) blocks.push({ kind: "tool", call: step.toolCall });
    else if ("file" in step) blocks.push({ kind: "file", ...step.file });
  }
  return blocks;
}

function textBlock(blocks: Block[]): Block & { kind: "text" } {
  const last = blocks.at(-1);
  if (last?.kind === "text") return last;
  const block = { kind: "text" as const, text: "", sources: [] };
  blocks.push(block);
  return block;
}

function reasoningBlock(blocks: Block[]): Block & { kind: "reasoning" } {
  const last = blocks.at(-1);
  if (last?.kind === "reasoning" && last.signature === undefined) return last;
  const block = { kind: "reasoning" as const, text: "" };
  blocks.push(block);
  return block;
}
