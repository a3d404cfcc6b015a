/** The models that settings name: a name that no provider has is a mistake. */
import type { ProviderConfig } from "../domain/provider.ts";
import { type Given, invalid, shown } from "./given.ts";

/** A model in a setting. */
export interface NamedModel {
  given: Given;
  id: string;
  /** True for the price of a model, which may well be offered later. */
  isPrice?: true;
}

/** The most ids to list in an error. */
const LISTED = 20;

/** The ids that messages may name if no provider has to be asked; undefined if one has. */
export function knownModels(providers: readonly ProviderConfig[]): string[] | undefined {
  const ids = providers.map(({ type, name, models }) => {
    const own = type === "demo" && models.length === 0 ? ["demo"] : models;
    return own.flatMap((id) => [id, `${name}/${id}`]);
  });
  return ids.some((own) => own.length === 0) ? undefined : [...new Set(ids.flat())];
}

/**
 * What is wrong with the names of models, as warnings in one line each.
 * @throws {UsageError} for a name in a setting other than `prices`.
 */
export function checkModels(named: readonly NamedModel[], known: readonly string[]): string[] {
  const unknown = named.filter(({ id }) => !known.includes(id));
  const error = unknown.find(({ isPrice }) => !isPrice);
  if (error) throw invalid(error.given, `${oneOf(known)}, found ${shown(error.id)}`);
  return unknown.map((one) => unknownModel(one, known));
}

/** A warning about a name. */
export function unknownModel({ given, id }: NamedModel, known: readonly string[]): string {
  return `${given.name} names the model ${shown(id)}, which no provider has: expected ${
    oneOf(known)
  }`;
}

/** Finds out which models there are. */
interface Catalog {
  list(): Promise<{ id: string }[]>;
  /** @throws {Error} if that cannot be told yet. */
  find(id: string): Promise<unknown>;
}

/**
 * Warns of names that no provider has, once the providers have said which models they have: until then
 * `again` is waited for. Never rejects.
 */
export async function warnOfUnknown(
  named: readonly NamedModel[],
  catalog: Catalog,
  warn: (line: string) => void,
  again: () => Promise<void>,
): Promise<void> {
  try {
    for (const one of named) {
      if (await find(one.id, catalog, again)) continue;
      warn(unknownModel(one, (await catalog.list()).map(({ id }) => id)));
    }
  } catch {
    // The server ends.
  }
}

async function find(id: string, catalog: Catalog, again: () => Promise<void>): Promise<boolean> {
  for (;;) {
    try {
      if ((await catalog.list()).length > 0) return await catalog.find(id) !== undefined;
    } catch {
      // No answer yet.
    }
    await again();
  }
}

function oneOf(ids: readonly string[]): string {
  const short = ids.filter((id) => !ids.some((other) => id.endsWith(`/${other}`)));
  const more = short.length > LISTED ? `, or one of ${short.length - LISTED} others` : "";
  return `${short.length > 1 ? "one of " : ""}${short.slice(0, LISTED).join(", ")}${more}`;
}
