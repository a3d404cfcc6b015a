import type { LanguageModelV4 } from "@ai-sdk/provider";
import type { ProviderConfig } from "../domain/provider.ts";
import type { SharedLines } from "./open_requests.ts";
import { addressOf, otherAddressOf } from "./address.ts";
import { chatClient } from "./chat/client.ts";
import { type ModelClient, sdkClient } from "./client.ts";
import { ProviderHttp } from "./provider_http.ts";

/**
 * Creates a provider's models by their ids. The AI SDK's package is loaded on first use: most servers
 * use only one of the four, and each takes time to load.
 */
export function providerFactory(
  provider: ProviderConfig,
  shared: SharedLines,
): (modelId: string) => Promise<ModelClient> {
  let loaded: ReturnType<typeof load> | undefined;
  const models = new Map<string, Promise<ModelClient>>();
  return (modelId) => {
    loaded ??= load(provider, new ProviderHttp(provider.type, shared));
    let model = models.get(modelId);
    if (!model) models.set(modelId, model = loaded.then((create) => create(modelId)));
    return model;
  };
}

async function load(
  provider: ProviderConfig,
  http: ProviderHttp,
): Promise<(modelId: string) => ModelClient> {
  const { type, apiKey = "", baseUrl } = provider;
  const sdk = (create: (id: string) => LanguageModelV4) => (id: string) => sdkClient(create(id));
  // Without a key or an address, even an empty one, the SDK takes another's from the environment.
  const settings = { apiKey, fetch: http.fetch, baseURL: addressOf(provider) };
  if (type === "anthropic") {
    return sdk((await import("@ai-sdk/anthropic")).createAnthropic(settings));
  }
  if (type === "google") {
    return sdk((await import("@ai-sdk/google")).createGoogleGenerativeAI(settings));
  }
  // Other servers of this type speak chat completions.
  if (type === "openai" && baseUrl === undefined) {
    return sdk((await import("@ai-sdk/openai")).createOpenAI(settings).responses);
  }
  const addresses = { baseUrl: addressOf(provider), otherUrl: otherAddressOf(provider) };
  return (id) => chatClient({ apiKey, ...addresses }, id, http);
}
