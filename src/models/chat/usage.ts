import type { LanguageModelV4Usage } from "@ai-sdk/provider";
import { isJsonObject, type Json, type JsonObject } from "../../domain/json.ts";

/** Tokens as a server counts them: in this dialect's words, or in those of a gateway. */
export function usageOf(usage: JsonObject = {}): LanguageModelV4Usage {
  const details = (key: string) => isJsonObject(usage[key]) ? usage[key] : {};
  const asked = { ...details("input_tokens_details"), ...details("prompt_tokens_details") };
  const made = { ...details("output_tokens_details"), ...details("completion_tokens_details") };
  const input = count(usage["prompt_tokens"] ?? usage["input_tokens"]);
  const output = count(usage["completion_tokens"] ?? usage["output_tokens"]);
  const cached = count(asked["cached_tokens"] ?? usage["prompt_cache_hit_tokens"]) ?? 0;
  const reasoning = count(made["reasoning_tokens"] ?? usage["reasoning_tokens"]) ?? 0;
  return {
    inputTokens: {
      total: input,
      noCache: input === undefined ? undefined : Math.max(0, input - cached),
      cacheRead: input === undefined ? undefined : cached,
      cacheWrite: undefined,
    },
    outputTokens: {
      total: output,
      text: output === undefined ? undefined : Math.max(0, output - reasoning),
      reasoning: output === undefined ? undefined : reasoning,
    },
  };
}

function count(value: Json | undefined): number | undefined {
  const number = typeof value === "string" && value !== "" ? Number(value) : value;
  return typeof number === "number" && number >= 0 && Number.isSafeInteger(number)
    ? number
    : undefined;
}
