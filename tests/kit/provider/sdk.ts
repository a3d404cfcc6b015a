/** The AI SDK's own provider packages pointed at a scripted provider. */
import { createAnthropic } from "@ai-sdk/anthropic";
import { createGoogle } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import type {
  LanguageModelV4,
  LanguageModelV4CallOptions,
  LanguageModelV4StreamPart,
} from "@ai-sdk/provider";
import type { ScriptedProvider } from "./provider.ts";

/** The packages that Parley speaks through; "openai" is the Responses API. */
export type Package = "openai" | "openai-chat" | "compatible" | "anthropic" | "google";

/** All of them. */
export const PACKAGES: readonly Package[] = [
  "openai",
  "openai-chat",
  "compatible",
  "anthropic",
  "google",
];

/** The model "scripted" of a provider, through a package. */
export function modelOf(kind: Package, { base }: ScriptedProvider): LanguageModelV4 {
  const id = "scripted";
  const apiKey = "key";
  switch (kind) {
    case "openai":
      return createOpenAI({ baseURL: base.openai, apiKey }).responses(id);
    case "openai-chat":
      return createOpenAI({ baseURL: base.openai, apiKey }).chat(id);
    case "compatible": {
      const name = "compatible";
      return createOpenAICompatible({ name, baseURL: base.openai, includeUsage: true })
        .chatModel(id);
    }
    case "anthropic":
      return createAnthropic({ baseURL: base.anthropic, apiKey }).languageModel(id);
    case "google":
      return createGoogle({ baseURL: base.google, apiKey }).languageModel(id);
  }
}

/** A call with one message from the user. */
export function callOf(
  text: string,
  more: Partial<LanguageModelV4CallOptions> = {},
): LanguageModelV4CallOptions {
  return { prompt: [{ role: "user", content: [{ type: "text", text }] }], ...more };
}

/** What a stream brought: its parts, and the error that ended it if it did not end by itself. */
export interface Streamed {
  parts: LanguageModelV4StreamPart[];
  error: unknown;
}

/** Reads a call's stream to its end; rejects if the call itself fails. */
export async function streamed(
  model: LanguageModelV4,
  options: LanguageModelV4CallOptions,
): Promise<Streamed> {
  const { stream } = await model.doStream(options);
  const parts: LanguageModelV4StreamPart[] = [];
  try {
    for await (const part of stream) parts.push(part);
    return { parts, error: undefined };
  } catch (error) {
    return { parts, error };
  }
}

/** The parts of one type. */
export function ofType<T extends LanguageModelV4StreamPart["type"]>(
  { parts }: Streamed,
  type: T,
): Extract<LanguageModelV4StreamPart, { type: T }>[] {
  return parts.filter((part): part is Extract<LanguageModelV4StreamPart, { type: T }> =>
    part.type === type
  );
}

/** All text put together. */
export function textIn(result: Streamed): string {
  return ofType(result, "text-delta").map((part) => part.delta).join("");
}
