import { createGoogleGenerativeAI } from "@ai-sdk/google";
import type { LanguageModelV4 } from "@ai-sdk/provider";
import { providerFetch } from "../fetch.ts";
import type { PackageOptions } from "./options.ts";

/** Google's Gemini API. */
export function google({ apiKey, baseUrl }: PackageOptions): (id: string) => LanguageModelV4 {
  return createGoogleGenerativeAI({
    apiKey,
    fetch: providerFetch,
    ...(baseUrl !== undefined && { baseURL: baseUrl }),
  });
}
