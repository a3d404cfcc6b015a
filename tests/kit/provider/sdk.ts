/** The AI SDK's own provider packages, pointed at a scripted provider. */
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

/** The packages that Parley uses; "openai" is the Responses API. */
export type Package = "openai" | "openai-chat" | "compatible" | "anthropic" | "google";

/** All of them. */
export const PACKAGES: readonly Package[] = [
  "openai",
  "openai-chat",
  "compatible",
  "anthropic",
  "google",
];

/** A model of a provider, through a package; the SDK knows some models by their ids. */
export function modelOf(
  kind: Package,
  { base }: ScriptedProvider,
  id = "scripted",
): LanguageModelV4 {
  const own = { apiKey: "key", fetch: holdingFetch };
  switch (kind) {
    case "openai":
      return createOpenAI({ baseURL: base.openai, ...own }).responses(id);
    case "openai-chat":
      return createOpenAI({ baseURL: base.openai, ...own }).chat(id);
    case "compatible": {
      const name = "compatible";
      return createOpenAICompatible({ name, baseURL: base.openai, includeUsage: true, ...own })
        .chatModel(id);
    }
    case "anthropic":
      return createAnthropic({ baseURL: base.anthropic, ...own }).languageModel(id);
    case "google":
      return createGoogle({ baseURL: base.google, ...own }).languageModel(id);
  }
}

/**
 * `fetch`, but with a signal that holds the response. In Deno 2.9 the signal of a fetch stops working
 * once the Response is garbage collected, and the SDK keeps only its body: an abort would then neither
 * end the stream nor close the connection.
 */
export const holdingFetch: typeof fetch = async (input, init) => {
  const response = await fetch(input, init);
  init?.signal?.addEventListener("abort", () => void response);
  return response;
};

/** A call with one message from the user. */
export function callOf(
  text: string,
  more: Partial<LanguageModelV4CallOptions> = {},
): LanguageModelV4CallOptions {
  return { prompt: [{ role: "user", content: [{ type: "text", text }] }], ...more };
}

/** The parts of a stream, and the error that ended it, if any. */
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

/** All text, joined. */
export function textIn(result: Streamed): string {
  return ofType(result, "text-delta").map((part) => part.delta).join("");
}
