import type { Config } from "./config.ts";

/** The effective configuration as JSON text, with every secret masked. */
export function showConfig(config: Config): string {
  const shown = {
    ...config,
    database: { ...config.database, token: hide(config.database.token) },
    tokens: Object.fromEntries(
      Object.entries(config.tokens).map(([name, secret]) => [name, hide(secret)]),
    ),
    providers: config.providers.map((provider) => ({
      ...provider,
      apiKey: hide(provider.apiKey),
      baseUrl: provider.baseUrl === undefined ? undefined : withoutUser(provider.baseUrl),
    })),
  };
  return JSON.stringify(shown, null, 2);
}

function hide(secret: string | undefined): string | undefined {
  return secret === undefined ? undefined : "[set]";
}

function withoutUser(url: string): string {
  const parsed = new URL(url);
  parsed.username = parsed.password = parsed.search = "";
  return parsed.href;
}
