/** Tokens used by an attempt, a step or a whole run. */
export interface Usage {
  inputTokens: number;
  outputTokens: number;
  /** Input tokens that the provider read from its prompt cache. */
  cachedTokens: number;
  /** Output tokens spent on reasoning. */
  reasoningTokens: number;
  /** True if Parley estimated the figures because the provider reported none. */
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

/** The sum of two usages; estimated if either is. */
export function addUsage(a: Usage, b: Usage): Usage {
  return {
    inputTokens: a.inputTokens + b.inputTokens,
    outputTokens: a.outputTokens + b.outputTokens,
    cachedTokens: a.cachedTokens + b.cachedTokens,
    reasoningTokens: a.reasoningTokens + b.reasoningTokens,
    estimated: a.estimated || b.estimated,
  };
}

/** The largest count of tokens that is believed: a thousand times the largest context of any model. */
const MAX_TOKENS = 1_000_000_000;

/** A provider's count of tokens, whatever it sent; undefined if it is none. */
export function tokenCount(value: unknown): number | undefined {
  if (typeof value !== "number" || !(value >= 0 && value <= MAX_TOKENS)) return undefined;
  return Math.round(value);
}

/** Estimates the tokens of a text by the usual rule of thumb: four characters each, rounded up. */
export function estimateTokens(characters: number): number {
  return Math.ceil(characters / 4);
}

/** How many characters are estimated to be so many tokens. */
export function charactersFor(tokens: number): number {
  return tokens * 4;
}

/** What a file of each kind is taken for, in bytes for each token; pictures are scaled to one size. */
const BYTES_PER_TOKEN: readonly [kind: string, bytes: number][] = [
  ["text/", 4],
  ["audio/", 500],
  ["video/", 430],
  ["application/pdf", 33],
];
const PICTURE_TOKENS = 1_000;

/** Estimates the tokens of a file by its kind: what it is in base64 says nothing of them. */
export function estimateFileTokens(mediaType: string, size: number): number {
  const [, bytes] = BYTES_PER_TOKEN.find(([kind]) => mediaType.startsWith(kind)) ?? [];
  return bytes === undefined ? PICTURE_TOKENS : Math.ceil(size / bytes);
}

/** The price of a million tokens, in the configuration's currency. */
export interface Price {
  input: number;
  output: number;
  /** For input from the provider's cache; defaults to the price of input. */
  cached?: number | undefined;
}

/** The cost of the usage. */
export function costOf(usage: Usage, price: Price): number {
  const fresh = Math.max(0, usage.inputTokens - usage.cachedTokens);
  const cost = fresh * price.input + usage.cachedTokens * (price.cached ?? price.input) +
    usage.outputTokens * price.output;
  return cost / 1_000_000;
}
