import type { LanguageModelV4 } from "@ai-sdk/provider";
import type { ProviderConfig } from "../domain/provider.ts";

/** Makes the AI SDK's model for one of a provider's ids. */
export type ModelFactory = (modelId: string) => Promise<LanguageModelV4>;

/**
 * The AI SDK's package for a provider. It is loaded at its first use, since most programs use one of
 * the four and each takes time to load.
 */
export function providerFactory(provider: ProviderConfig): ModelFactory {
  const load = packageOf(provider);
  let loaded: Promise<(modelId: string) => LanguageModelV4> | undefined;
  const models = new Map<string, Promise<LanguageModelV4>>();
  return (modelId) => {
    loaded ??= load();
    let model = models.get(modelId);
    if (!model) models.set(modelId, model = loaded.then((create) => create(modelId)));
    return model;
  };
}

/** Modules of our own, so that a bundler keeps of each package only what is used. */
function packageOf(
  { type, name, apiKey, baseUrl }: ProviderConfig,
): () => Promise<(modelId: string) => LanguageModelV4> {
  // An empty key keeps the SDK from looking into the environment for one that is not meant.
  const options = { name, apiKey: apiKey ?? "", baseUrl };
  switch (type) {
    case "anthropic":
      return async () => (await import("./packages/anthropic.ts")).anthropic(options);
    case "google":
      return async () => (await import("./packages/google.ts")).google(options);
    case "openai":
      if (baseUrl === undefined) {
        return async () => (await import("./packages/openai.ts")).openai(options);
      }
      // Other servers behind the same type speak chat completions.
      return async () => (await import("./packages/compatible.ts")).compatible(options);
    case "openai-compatible":
      return async () => (await import("./packages/compatible.ts")).compatible(options);
    case "demo":
      throw new Error("the demo model has no package");
  }
}
