import type { ProviderConfig } from "../domain/provider.ts";
import { addressOf } from "./address.ts";
import { ask } from "../net/ask.ts";
import { readJson } from "../net/read.ts";
import { troubleIn, unreachable } from "../net/trouble.ts";

/** How long a provider may take to list its models, in milliseconds. */
const PATIENCE = 5_000;

/** The largest list, in bytes; the most models that are taken from one, and the longest id. */
const MAX_LIST = 8 * 1024 * 1024;
const MAX_MODELS = 5_000;
const MAX_ID = 300;

/** Why a provider's models are not known. */
export class ListFailure extends Error {
  override readonly name = "ListFailure";
  constructor(readonly kind: "unreachable" | "key_refused" | "list_failed", message: string) {
    super(message);
  }
}

/**
 * Asks a provider for the ids of its models.
 * @throws {ListFailure} without secrets; its message continues the provider's name.
 */
export async function discoverModels(provider: ProviderConfig): Promise<string[]> {
  const [url, headers] = listRequest(provider);
  try {
    const response = await ask(url, { headers, signal: AbortSignal.timeout(PATIENCE) });
    if (!response.ok) {
      response.body?.cancel().catch(() => {});
      const { status } = response;
      throw status === 401 || status === 403
        ? new ListFailure("key_refused", `refused the key (${status})`)
        : new ListFailure("list_failed", `answered ${status} when asked for its models`);
    }
    return idsIn(await readJson(response, MAX_LIST), provider.type === "google");
  } catch (error) {
    if (error instanceof ListFailure) throw error;
    if (error instanceof SyntaxError) throw noList();
    const { kind, message } = troubleIn(error) ?? unreachable(error);
    throw new ListFailure(kind === "unreachable" ? kind : "list_failed", message);
  }
}

/** A list is bare or in a field, and its models are objects or names: gateways differ. */
function idsIn(body: unknown, isGoogle: boolean): string[] {
  const { data, models } = Object(body);
  const list: unknown = [body, data, models].find(Array.isArray);
  if (!Array.isArray(list)) throw noList();
  const ids = list.slice(0, MAX_MODELS).flatMap((model: unknown) => {
    const { id, name, supportedGenerationMethods: methods } = Object(model);
    const given: unknown = [model, id, name].find((value) => typeof value === "string");
    if (typeof given !== "string" || given === "" || given.length > MAX_ID) return [];
    if (Array.isArray(methods) && !methods.includes("generateContent")) return [];
    return [isGoogle ? given.replace(/^models\//, "") : given];
  });
  return [...new Set(ids)];
}

function noList(): ListFailure {
  return new ListFailure("list_failed", "answered with something that is no list of models");
}

function listRequest(
  provider: ProviderConfig,
): [url: string, headers: Record<string, string>] {
  const { type, apiKey = "" } = provider;
  const url = `${addressOf(provider)}/models`;
  if (type === "anthropic") {
    return [`${url}?limit=1000`, { "x-api-key": apiKey, "anthropic-version": "2023-06-01" }];
  }
  if (type === "google") return [`${url}?pageSize=1000`, { "x-goog-api-key": apiKey }];
  return [url, apiKey === "" ? {} : { authorization: `Bearer ${apiKey}` }];
}
