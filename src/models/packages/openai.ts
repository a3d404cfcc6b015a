import { createOpenAI } from "@ai-sdk/openai";
import type { LanguageModelV4 } from "@ai-sdk/provider";
import type { PackageOptions } from "../provider.ts";

/** OpenAI's Responses API. */
export function openai({ apiKey }: PackageOptions): (id: string) => LanguageModelV4 {
  const provider = createOpenAI({ apiKey });
  return (id) => provider.responses(id);
}
