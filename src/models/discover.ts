import type { ProviderConfig } from "../domain/provider.ts";
import { addressOf, otherAddressOf } from "./address.ts";
import { ask } from "../net/ask.ts";
import { readJson, readStart } from "../net/read.ts";
import { troubleIn, unreachable } from "../net/trouble.ts";
import { classOf } from "./failure.ts";
import { reasonIn } from "./reason.ts";

/** How long a provider may take to list its models, in milliseconds. */
const PATIENCE = 5_000;

/** The largest list, in bytes; the most models that are taken from one, and the longest id. */
const MAX_LIST = 8 * 1024 * 1024;
const MAX_MODELS = 5_000;
const MAX_ID = 300;

/** How much of a refusal is read, in bytes. */
const MAX_REFUSAL = 8 * 1024;

/** Why a provider's models are not known. */
export class ListFailure extends Error {
  override readonly name = "ListFailure";
  constructor(readonly kind: "unreachable" | "key_refused" | "list_failed", message: string) {
    super(message);
  }
}

/**
 * Asks a provider for the ids of its models.
 * @throws {ListFailure} with the provider's own words; its message continues the provider's name.
 */
export async function discoverModels(provider: ProviderConfig): Promise<string[]> {
  const other = otherAddressOf(provider);
  try {
    return await modelsAt(addressOf(provider), provider);
  } catch (error) {
    if (other === undefined || (error as ListFailure).kind !== "list_failed") throw error;
    return await modelsAt(other, provider).catch(() => {
      throw error;
    });
  }
}

/** @throws {ListFailure} */
async function modelsAt(address: string, provider: ProviderConfig): Promise<string[]> {
  const [url, headers] = listRequest(address, provider);
  const signal = AbortSignal.timeout(PATIENCE);
  try {
    const response = await ask(url, { headers, signal });
    if (!response.ok) throw await refusal(response, signal);
    return idsIn(await readJson(response, MAX_LIST), provider.type === "google");
  } catch (error) {
    if (error instanceof ListFailure) throw error;
    if (error instanceof SyntaxError) throw noList();
    const { kind, message } = troubleIn(error) ?? unreachable(error);
    throw new ListFailure(kind === "unreachable" ? kind : "list_failed", message);
  }
}

/** Not all gateways refuse a key by its status. */
async function refusal({ status, body }: Response, signal: AbortSignal): Promise<ListFailure> {
  const start = body ? await readStart(body, MAX_REFUSAL, signal) : undefined;
  const text = new TextDecoder().decode(start);
  const reason = reasonIn(text).replace(/\.$/, "");
  const said = reason && `: ${reason}`;
  return status === 401 || status === 403 || classOf(text) === "provider_auth"
    ? new ListFailure("key_refused", `refused the key (${status})${said}`)
    : new ListFailure("list_failed", `answered ${status} when asked for its models${said}`);
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
  address: string,
  { type, apiKey = "" }: ProviderConfig,
): [url: string, headers: Record<string, string>] {
  const url = `${address}/models`;
  if (type === "anthropic") {
    return [`${url}?limit=1000`, { "x-api-key": apiKey, "anthropic-version": "2023-06-01" }];
  }
  if (type === "google") return [`${url}?pageSize=1000`, { "x-goog-api-key": apiKey }];
  return [url, apiKey === "" ? {} : { authorization: `Bearer ${apiKey}` }];
}
