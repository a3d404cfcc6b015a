/** The types of provider that Parley supports. */
export const PROVIDER_TYPES = [
  "openai",
  "openai-compatible",
  "anthropic",
  "google",
  "demo",
] as const;
export type ProviderType = (typeof PROVIDER_TYPES)[number];

/** A configured provider. */
export interface ProviderConfig {
  type: ProviderType;
  /** Unique. */
  name: string;
  apiKey?: string | undefined;
  baseUrl?: string | undefined;
  /** The models to offer; if empty, all that the provider lists. */
  models: string[];
}
