import type { CatalogModel } from "./catalog.ts";

/** Words by which providers name their small models, the cheapest first. */
const SMALL = ["nano", "lite", "mini", "haiku", "flash", "small"];

/** Models that do something else than chat. */
const OTHER = /audio|tts|transcribe|realtime|image|embed|moderation|search|live|vision-only/i;

/**
 * The model for small work beside `model`: of the same provider, the cheapest by its name; `model`
 * itself where no name tells.
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
