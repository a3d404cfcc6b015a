import { createGoogleGenerativeAI } from "@ai-sdk/google";
import type { LanguageModelV4 } from "@ai-sdk/provider";
import type { PackageOptions } from "../provider.ts";

/** Google's Gemini API. */
export function google({ apiKey, baseUrl }: PackageOptions): (id: string) => LanguageModelV4 {
  return createGoogleGenerativeAI({ apiKey, ...(baseUrl !== undefined && { baseURL: baseUrl }) });
}
