import type { LanguageModelV4CallOptions } from "@ai-sdk/provider";
import type { ProviderType } from "../domain/provider.ts";

/** The providers that cache a prompt only if they are told to; the others do it by themselves. */
const ASK: ReadonlySet<ProviderType> = new Set<ProviderType>(["anthropic"]);

/** True if a provider has to be told to cache. */
export function isToldToCache(type: ProviderType): boolean {
  return ASK.has(type);
}

/**
 * The call options that tell a provider to cache the prompt as far as it goes, so that the next request,
 * which repeats it, costs a tenth. It is an option of the request: marks in messages would change them.
 */
export function cachingOptions(
  type: ProviderType,
): Pick<LanguageModelV4CallOptions, "providerOptions"> {
  return ASK.has(type)
    ? { providerOptions: { anthropic: { cacheControl: { type: "ephemeral" } } } }
    : {};
}
