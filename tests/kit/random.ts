/** Randomness that can be played again. */

/** A generator of which the seed says everything that it will give. */
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

/** What `PARLEY_SEED` says, else another one each time. */
export function seedOf(): number {
  return Number(Deno.env.get("PARLEY_SEED") ?? crypto.getRandomValues(new Uint32Array(1))[0]);
}

/** Runs a test with the seed that `PARLEY_SEED` names, else a new one; a failure names the seed. */
export async function seeded(test: (random: Random) => Promise<void>): Promise<void> {
  const random = new Random(seedOf());
  try {
    await test(random);
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new Error(`PARLEY_SEED=${random.seed}: ${message}`, { cause: error });
  }
}

/** A whole number above 0 out of the environment; where it holds no such number, `fallback`. */
export function countOf(name: string, fallback: number): number {
  const value = Number(Deno.env.get(name) ?? "");
  return Number.isInteger(value) && value > 0 ? value : fallback;
}

/** Resolves after `ms` milliseconds: for moments that are to be random, never to wait for something. */
export function pass(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
