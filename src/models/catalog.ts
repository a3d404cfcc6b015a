import type { LanguageModelV4 } from "@ai-sdk/provider";
import type { Clock } from "../domain/clock.ts";
import type { Model } from "../domain/model.ts";
import type { ProviderConfig, ProviderType } from "../domain/provider.ts";
import type { Logger } from "../observe/log.ts";
import { demoModel } from "./demo.ts";
import { discoverModels } from "./discover.ts";
import { providerFactory } from "./provider.ts";

/** A model with the way to call it. */
export interface CatalogModel extends Model {
  type: ProviderType;
  /** The provider's own id. */
  modelId: string;
  languageModel(): Promise<LanguageModelV4>;
}

/** Which models there are. */
export interface ModelCatalog {
  /** All models, in the order of the configuration. */
  list(): Promise<CatalogModel[]>;
  /** The model that a request means by `id` or `provider/id`; undefined where there is none. */
  find(id: string): Promise<CatalogModel | undefined>;
}

/** What a catalog needs. */
export interface CatalogOptions {
  providers: ProviderConfig[];
  clock: Clock;
  log: Logger;
  /** Milliseconds between two words of the demo model. */
  demoPaceMs: number;
}

/** How long a provider's own list of models is believed, in milliseconds. */
const LIST_TTL = 10 * 60_000;

/** The catalog of the configured providers. Providers that name no models are asked, and cached. */
export function modelCatalog({ providers, clock, log, demoPaceMs }: CatalogOptions): ModelCatalog {
  const sources = providers.map((provider) => {
    const factory = provider.type === "demo"
      ? () => Promise.resolve(demoModel({ clock, paceMs: demoPaceMs }))
      : providerFactory(provider);
    const ids = modelIds(provider, clock, log);
    return async () => (await ids()).map((id) => toModel(provider, id, () => factory(id)));
  });

  const list = async () => {
    const models = (await Promise.all(sources.map((source) => source()))).flat();
    const seen = new Set<string>();
    return models.map((model) => {
      const id = seen.has(model.id) ? `${model.provider}/${model.id}` : model.id;
      seen.add(id);
      return { ...model, id };
    });
  };
  return {
    list,
    async find(id) {
      const models = await list();
      return models.find((model) => model.id === id) ??
        models.find((model) => `${model.provider}/${model.modelId}` === id);
    },
  };
}

function toModel(
  provider: ProviderConfig,
  id: string,
  languageModel: () => Promise<LanguageModelV4>,
): CatalogModel {
  return {
    id,
    modelId: id,
    displayName: provider.type === "demo" ? "Demo (built in, no AI)" : id,
    provider: provider.name,
    type: provider.type,
    languageModel,
  };
}

/** The ids of a provider's models: as configured, else as the provider lists them. */
function modelIds(provider: ProviderConfig, clock: Clock, log: Logger): () => Promise<string[]> {
  if (provider.models.length > 0) return () => Promise.resolve(provider.models);
  if (provider.type === "demo") return () => Promise.resolve(["demo"]);
  let cached: { ids: Promise<string[]>; at: number } | undefined;
  return () => {
    if (!cached || clock.now() - cached.at > LIST_TTL) {
      const entry = { ids: discoverModels(provider), at: clock.now() };
      cached = entry;
      entry.ids = entry.ids.catch((error) => {
        // A failure is not remembered: the next request asks again.
        if (cached === entry) cached = undefined;
        const reason = error instanceof Error ? error.message : String(error);
        log.log("warn", "a provider does not list its models", { provider: provider.name, reason });
        return [];
      });
    }
    return cached.ids;
  };
}
