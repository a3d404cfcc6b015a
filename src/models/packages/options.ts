/** What a provider's package is told. */
export interface PackageOptions {
  name: string;
  apiKey: string;
  baseUrl: string | undefined;
}
