import type { ProviderConfig } from "../domain/provider.ts";

/** A provider's own address, and the version that its makers' tools add to any other. */
const OWN = {
  openai: { url: "https://api.openai.com/v1", version: "" },
  anthropic: { url: "https://api.anthropic.com/v1", version: "/v1" },
  google: { url: "https://generativelanguage.googleapis.com/v1beta", version: "/v1beta" },
} as const;

/**
 * Where a provider is asked, without a slash at the end. It is always told to the AI SDK, which would
 * else take an address out of the environment, and send the key there.
 */
export function addressOf({ type, baseUrl }: Pick<ProviderConfig, "type" | "baseUrl">): string {
  const own = type === "anthropic" || type === "google" ? OWN[type] : OWN.openai;
  if (baseUrl === undefined) return own.url;
  let end = baseUrl.length;
  while (baseUrl[end - 1] === "/") end--;
  const given = baseUrl.slice(0, end);
  return /\/v\d+[a-z]*$/.test(given) ? given : given + own.version;
}
