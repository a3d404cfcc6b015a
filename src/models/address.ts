import type { ProviderConfig } from "../domain/provider.ts";

/** A provider's own address, and the version that its makers' tools add to any other. */
const OWN = {
  openai: { url: "https://api.openai.com/v1", version: "" },
  anthropic: { url: "https://api.anthropic.com/v1", version: "/v1" },
  google: { url: "https://generativelanguage.googleapis.com/v1beta", version: "/v1beta" },
} as const;

type Configured = Pick<ProviderConfig, "type" | "baseUrl">;

/**
 * Where a provider is asked, without a slash at the end. It is always told to the AI SDK, which would
 * else take an address out of the environment, and send the key there.
 */
export function addressOf({ type, baseUrl }: Configured): string {
  const own = type === "anthropic" || type === "google" ? OWN[type] : OWN.openai;
  if (baseUrl === undefined) return own.url;
  let end = baseUrl.length;
  while (baseUrl[end - 1] === "/") end--;
  // Some people give the whole address of what is asked.
  const given = baseUrl.slice(0, end).replace(/\/chat\/completions$/, "");
  return isVersioned(given) ? given : given + own.version;
}

/**
 * Where else a server of chat completions may be, if there is nothing at its address. Some are at an
 * address without a version, others (Ollama, Portkey) only with it; and `/api` is Ollama's own API.
 */
export function otherAddressOf(provider: Configured): string | undefined {
  const { type, baseUrl } = provider;
  if (type === "anthropic" || type === "google" || baseUrl === undefined) return undefined;
  const given = addressOf(provider);
  return isVersioned(given) ? undefined : `${given.replace(/\/api$/, "")}/v1`;
}

function isVersioned(address: string): boolean {
  return /\/v\d+[a-z]*$/.test(address);
}
