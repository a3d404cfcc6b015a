import { createOpenAI } from "@ai-sdk/openai";
import type { LanguageModelV4 } from "@ai-sdk/provider";
import { providerFetch } from "../fetch.ts";
import type { PackageOptions } from "./options.ts";

/** OpenAI's Responses API. */
export function openai({ apiKey }: PackageOptions): (id: string) => LanguageModelV4 {
  const provider = createOpenAI({ apiKey, fetch: providerFetch });
  return (id) => provider.responses(id);
}
