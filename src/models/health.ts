/** What is known to be wrong with a provider. */
export interface ProviderProblem {
  provider: string;
  kind: "unreachable" | "key_refused" | "list_failed" | "failing";
  /** A sentence for people, without secrets. */
  message: string;
}

/** What a provider was asked for: it may list its models and refuse to answer, or the other way round. */
export type Asked = "models" | "answer";

/** What was last wrong with each provider. */
export class ProviderHealth {
  readonly #problems = new Map<string, ProviderProblem>();

  /** Takes note of how a request ended; without a problem it ended well. True if that is news. */
  report(provider: string, asked: Asked, problem?: Omit<ProviderProblem, "provider">): boolean {
    const key = `${asked} ${provider}`;
    const before = this.#problems.get(key);
    if (problem) this.#problems.set(key, { provider, ...problem });
    else this.#problems.delete(key);
    return before?.message !== problem?.message;
  }

  /** All that is wrong. */
  problems(): ProviderProblem[] {
    return [...this.#problems.values()];
  }
}
