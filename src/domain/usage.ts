/** Tokens of one attempt, one step or a whole run. */
export interface Usage {
  inputTokens: number;
  outputTokens: number;
  /** Input tokens that the provider read from its prompt cache. */
  cachedTokens: number;
  /** Output tokens spent on reasoning. */
  reasoningTokens: number;
  /** True where the figures are counted here, because the provider reported none. */
  estimated: boolean;
}

/** No tokens at all. */
export const NO_USAGE: Usage = Object.freeze({
  inputTokens: 0,
  outputTokens: 0,
  cachedTokens: 0,
  reasoningTokens: 0,
  estimated: false,
});

/** The sum of two usages; estimated as soon as one of them is. */
export function addUsage(a: Usage, b: Usage): Usage {
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    cachedTokens: a.cachedTokens + b.cachedTokens,
    reasoningTokens: a.reasoningTokens + b.reasoningTokens,
    estimated: a.estimated || b.estimated,
  };
}

/** Tokens in a text by the usual rule of thumb: four characters each, at least one if any. */
export function estimateTokens(characters: number): number {
  return Math.ceil(characters / 4);
}

/** What a million tokens cost, in whatever currency the configuration means. */
export interface Price {
  input: number;
  output: number;
  /** Of input that came from the provider's cache; the price of input where it is not given. */
  cached?: number | undefined;
}

/** What that usage cost. */
export function costOf(usage: Usage, price: Price): number {
  const fresh = Math.max(0, usage.inputTokens - usage.cachedTokens);
  const cost = fresh * price.input + usage.cachedTokens * (price.cached ?? price.input) +
    usage.outputTokens * price.output;
  return cost / 1_000_000;
}
