import { z } from "zod";
import type { ProviderConfig } from "../domain/provider.ts";

/** How long a provider may take to list its models, in milliseconds. */
const PATIENCE = 5_000;

const openaiList = z.object({ data: z.array(z.object({ id: z.string() })) });
const googleList = z.object({
  models: z.array(
    z.object({ name: z.string(), supportedGenerationMethods: z.array(z.string()).optional() }),
  ),
});

/**
 * Asks a provider for the ids of its models.
 * @throws {Error} without secrets, where it cannot be asked or answers something else.
 */
export async function discoverModels(provider: ProviderConfig): Promise<string[]> {
  const { url, headers } = listRequest(provider);
  const response = await fetch(url, { headers, signal: AbortSignal.timeout(PATIENCE) });
  if (!response.ok) {
    await response.body?.cancel();
    throw new Error(`status ${response.status}`);
  }
  const body: unknown = await response.json();
  if (provider.type !== "google") return openaiList.parse(body).data.map(({ id }) => id);
  return googleList.parse(body).models
    .filter((model) => model.supportedGenerationMethods?.includes("generateContent") ?? true)
    .map((model) => model.name.replace(/^models\//, ""));
}

function listRequest(
  { type, baseUrl, apiKey = "" }: ProviderConfig,
): { url: string; headers: Record<string, string> } {
  const base = baseUrl?.replace(/\/$/, "");
  switch (type) {
    case "anthropic":
      return {
        url: `${base ?? "https://api.anthropic.com/v1"}/models?limit=1000`,
        headers: { "x-api-key": apiKey, "anthropic-version": "2023-06-01" },
      };
    case "google":
      return {
        url: `${base ?? "https://generativelanguage.googleapis.com/v1beta"}/models?pageSize=1000`,
        headers: { "x-goog-api-key": apiKey },
      };
    default:
      return {
        url: `${base ?? "https://api.openai.com/v1"}/models`,
        headers: apiKey === "" ? {} : { authorization: `Bearer ${apiKey}` },
      };
  }
}
