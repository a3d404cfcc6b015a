import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import type { LanguageModelV4 } from "@ai-sdk/provider";
import { providerFetch } from "../fetch.ts";
import type { PackageOptions } from "./options.ts";

/** Any server that speaks OpenAI's chat completions. */
export function compatible(
  { name, apiKey, baseUrl = "" }: PackageOptions,
): (id: string) => LanguageModelV4 {
  const provider = createOpenAICompatible({
    name,
    baseURL: baseUrl,
    includeUsage: true,
    fetch: providerFetch,
    ...(apiKey !== "" && { apiKey }),
  });
  return (id) => provider.chatModel(id);
}
