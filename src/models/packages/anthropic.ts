import { createAnthropic } from "@ai-sdk/anthropic";
import type { LanguageModelV4 } from "@ai-sdk/provider";
import { providerFetch } from "../fetch.ts";
import type { PackageOptions } from "./options.ts";

/** Anthropic's Messages API. */
export function anthropic({ apiKey, baseUrl }: PackageOptions): (id: string) => LanguageModelV4 {
  return createAnthropic({
    apiKey,
    fetch: providerFetch,
    ...(baseUrl !== undefined && { baseURL: baseUrl }),
  });
}
