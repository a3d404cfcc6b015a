import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import type { LanguageModelV4 } from "@ai-sdk/provider";
import { fastChat } from "./fast_chat.ts";
import type { PackageOptions } from "./options.ts";

/** Any server that speaks OpenAI's chat completions. */
export function compatible(
  { name, apiKey, baseUrl = "" }: PackageOptions,
): (id: string) => LanguageModelV4 {
  return (id) =>
    fastChat((doFetch) =>
      createOpenAICompatible({
        name,
        baseURL: baseUrl,
        includeUsage: true,
        supportsStructuredOutputs: true,
        fetch: doFetch,
        ...(apiKey !== "" && { apiKey }),
      }).chatModel(id)
    );
}
