import { AppError } from "../domain/errors.ts";
import { settlesWithin } from "../domain/clock.ts";
import type { Model } from "../domain/model.ts";
import type { ProviderConfig, ProviderType } from "../domain/provider.ts";
import type { SharedLines } from "./open_requests.ts";
import { type ModelClient, sdkClient } from "./client.ts";
import { demoModel } from "./demo.ts";
import type { ProviderProblem } from "./health.ts";
import { type ListOptions, ModelList } from "./model_list.ts";
import { providerFactory } from "./provider.ts";

/** A model that can be called. */
export interface CatalogModel extends Model {
  type: ProviderType;
  /** The provider's own id. */
  modelId: string;
  client(): Promise<ModelClient>;
}

/** The available models. */
export interface ModelCatalog {
  /** All models that are known, in the order of the configuration. */
  list(): Promise<CatalogModel[]>;
  /** The model of a request that names none; undefined if no model is known. */
  first(): Promise<CatalogModel | undefined>;
  /**
   * Finds a model by `id` or `provider/id`, or `id` without `:latest`; undefined if there is none.
   * @throws {AppError} `bad_gateway` if a provider that may have it did not say which models it has.
   */
  find(id: string): Promise<CatalogModel | undefined>;
  /** What is wrong with the providers. */
  problems(): ProviderProblem[];
}

/** What a catalog needs. */
export interface CatalogOptions extends ListOptions, SharedLines {
  providers: ProviderConfig[];
  /** Milliseconds between words of the demo model. */
  demoPaceMs: number;
}

/** How long a first list is waited for while another source may have the model, in milliseconds. */
const PATIENCE = 500;

/** The catalog of the configured providers. Those without configured models are asked for a list. */
export function modelCatalog(
  { providers, demoPaceMs, ...options }: CatalogOptions,
): ModelCatalog {
  const sources = providers.map((provider) => {
    const { name, type } = provider;
    const demo = type === "demo" ? sdkClient(demoModel(options.clock, demoPaceMs)) : undefined;
    const factory = demo ? () => Promise.resolve(demo) : providerFactory(provider, options);
    const list = new ModelList(provider, options);
    const model = (id: string): CatalogModel => ({
      id,
      modelId: id,
      displayName: demo ? "Demo (built in, no AI)" : id,
      provider: name,
      type,
      client: () => factory(id),
    });
    return { name, list, model };
  });
  type Source = typeof sources[number];

  /** Of two models with one id, the later has its provider's name before it. */
  const known = () => {
    const seen = new Set<string>();
    return sources.flatMap(({ name, list, model }) =>
      list.ids.map((id) => {
        const isTaken = seen.has(id);
        seen.add(id);
        return { ...model(id), ...(isTaken && { id: `${name}/${id}` }) };
      })
    );
  };

  /** The first model that is picked. A source that is silent keeps nobody from another's models. */
  const first = async (pick: (source: Source) => string | undefined) => {
    let isPatient = true;
    const asked = sources.map(({ list }) => list.refresh());
    for (const [at, source] of sources.entries()) {
      isPatient &&= await settlesWithin(asked[at]!, PATIENCE, options.clock);
      const id = pick(source);
      if (id === undefined) continue;
      const isTaken = sources.slice(0, at).some(({ list }) => list.ids.includes(id));
      return { ...source.model(id), ...(isTaken && { id: `${source.name}/${id}` }) };
    }
    return undefined;
  };
  const firstWith = async (id: string) =>
    await first(({ list }) => list.ids.includes(id) ? id : undefined) ??
      await first(({ name, list }) => list.ids.find((one) => `${name}/${one}` === id)) ??
      // Ollama lists this tag, which its own tools leave out.
      await first(({ list }) => list.ids.find((one) => one === `${id}:latest`));

  const settled = () => Promise.all(sources.map(({ list }) => list.settled()));
  return {
    problems: () => options.health.problems(),
    async list() {
      await Promise.all(sources.map(({ list }) => list.refresh()));
      return known();
    },
    async first() {
      const found = await first(({ list }) => list.ids[0]);
      if (found) return found;
      await settled();
      return known()[0];
    },
    async find(id) {
      const found = await firstWith(id);
      if (found) return found;
      await settled();
      const unknown = sources.flatMap(({ list }) => list.problem ?? []);
      const after = await firstWith(id);
      if (after || unknown.length === 0) return after;
      const detail = unknown.join(" ");
      throw new AppError("bad_gateway", "Cannot tell if there is such a model", { detail });
    },
  };
}
