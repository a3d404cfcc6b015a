import type { CatalogModel } from "./catalog.ts";

/** Words that mark small models in their names, cheapest first. */
const SMALL = ["nano", "lite", "mini", "haiku", "flash", "small"];

/** Models that are not for chat. */
const OTHER = /audio|tts|transcribe|realtime|image|embed|moderation|search|live|vision-only/i;

/**
 * The model for small jobs that go with `model`: the same provider's cheapest, judging by name, or
 * `model` itself if the names do not tell.
 */
export function cheapestBeside(model: CatalogModel, models: readonly CatalogModel[]): CatalogModel {
  const beside = models.filter(({ provider, modelId }) =>
    provider === model.provider && !OTHER.test(modelId)
  );
  for (const word of SMALL) {
    const small = beside.find(({ modelId }) => new RegExp(`\\b${word}\\b`, "i").test(modelId));
    if (small) return small;
  }
  return model;
}
