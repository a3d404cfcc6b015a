/** The kinds of provider that Parley speaks to. */
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
  /** What people call it; unique. */
  name: string;
  apiKey?: string | undefined;
  baseUrl?: string | undefined;
  /** The models to offer; empty: all that the provider lists. */
  models: string[];
}
