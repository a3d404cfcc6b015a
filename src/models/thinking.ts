import type { LanguageModelV4CallOptions } from "@ai-sdk/provider";
import type { ProviderType } from "../domain/provider.ts";

/** The call options that ask a provider to reason and to return the reasoning. */
export function thinkingOptions(
  type: ProviderType,
): Pick<LanguageModelV4CallOptions, "reasoning" | "providerOptions"> {
  switch (type) {
    case "openai":
      return { reasoning: "medium", providerOptions: { openai: { reasoningSummary: "auto" } } };
    case "google":
      return {
        reasoning: "medium",
        providerOptions: { google: { thinkingConfig: { includeThoughts: true } } },
      };
    default:
      return { reasoning: "medium" };
  }
}
