/** Reproducible randomness. */

/** A generator whose output depends only on the seed. */
export class Random {
  #state: number;

  constructor(readonly seed: number) {
    this.#state = seed >>> 0;
  }

  /** At least 0 and below 1 (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }

  /** A whole number of at least 0 and below `limit`. */
  below(limit: number): number {
    return Math.floor(this.next() * limit);
  }

  /** A whole number of at least `low` and at most `high`. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1);
  }

  /** True with that probability. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)]!;
  }
}

/** The seed in `PARLEY_SEED`, or a new one each time. */
export function seedOf(): number {
  return Number(Deno.env.get("PARLEY_SEED") ?? crypto.getRandomValues(new Uint32Array(1))[0]);
}

/** Runs a test with the seed in `PARLEY_SEED` or a new one; a failure names the seed. */
export async function seeded(test: (random: Random) => Promise<void>): Promise<void> {
  const random = new Random(seedOf());
  try {
    await test(random);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(`PARLEY_SEED=${random.seed}: ${message}`, { cause: error });
  }
}

/** Each `every`th of the items, from a random one on. */
export function sampleOf<T>(items: readonly T[], every: number): T[] {
  const from = new Random(seedOf()).below(every);
  return items.filter((_, index) => index % every === from);
}

/** A whole number above 0 from the environment, or `fallback` if it has none. */
export function countOf(name: string, fallback: number): number {
  const value = Number(Deno.env.get(name) ?? "");
  return Number.isInteger(value) && value > 0 ? value : fallback;
}

/** The number of cases of a property: all of them in the proofs, a fifth in the gate. */
export function casesOf(all: number): number {
  return Math.ceil(all / countOf("PARLEY_CASES_EVERY", 5));
}

/** Resolves after `ms` milliseconds: only for random moments, never to wait for something. */
export function pass(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
