/** Stands between a Parley and its stores. */
import type { Stores } from "../../src/domain/ports.ts";

/** Methods to call in place of the stores' own. */
export type Replaced = { [Name in keyof Stores]?: Partial<Stores[Name]> };

/** An override that puts methods in the place of a store's own, which `replace` is given. */
export function replacing(replace: (stores: Stores) => Replaced): (stores: Stores) => Stores {
  return (stores) => {
    const replaced = replace(stores);
    const entries = Object.entries(stores).map(([name, store]) => [
      name,
      { ...store, ...replaced[name as keyof Stores] },
    ]);
    return Object.fromEntries(entries);
  };
}
