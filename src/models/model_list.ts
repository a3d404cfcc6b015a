import type { Clock } from "../domain/clock.ts";
import type { ProviderConfig } from "../domain/provider.ts";
import type { Logger } from "../observe/log.ts";
import { discoverModels, ListFailure } from "./discover.ts";
import type { ProviderHealth } from "./health.ts";
import type { Mask } from "../observe/mask.ts";

/** What a list of models needs. */
export interface ListOptions {
  clock: Clock;
  log: Logger;
  mask: Mask;
  health: ProviderHealth;
}

/** How long a provider's list is taken for its newest, and when to ask again after a failure. */
const FRESH = 10 * 60_000;
const RETRY = 10_000;

/** The ids of a provider's models: as configured, or as the provider last listed them. */
export class ModelList {
  #ids: string[] | undefined;
  #problem: string | undefined;
  #until = -Infinity;
  #asking: Promise<void> | undefined;

  constructor(private readonly provider: ProviderConfig, private readonly options: ListOptions) {
    if (provider.models.length > 0) this.#ids = provider.models;
    else if (provider.type === "demo") this.#ids = ["demo"];
    if (this.#ids) this.#until = Infinity;
  }

  /** Why the provider's models are not known at all; undefined if they are, or nobody has asked. */
  get problem(): string | undefined {
    return this.#ids ? undefined : this.#problem;
  }

  /** The ids that are known now. */
  get ids(): readonly string[] {
    return this.#ids ?? [];
  }

  /**
   * Asks for a newer list if it is time, and resolves at once if there is any: only the first is waited
   * for, whether it comes or not.
   */
  async refresh(): Promise<void> {
    if (this.options.clock.elapsed() >= this.#until) this.#asking ??= this.#ask();
    if (!this.#ids && !this.#problem) await this.#asking;
  }

  /** Resolves when a list that is on its way has come, or has not. */
  async settled(): Promise<void> {
    await this.#asking;
  }

  async #ask(): Promise<void> {
    const { provider, options: { clock, log, mask, health } } = this;
    const name = provider.name;
    try {
      this.#ids = await discoverModels(provider);
      this.#problem = undefined;
      if (health.report(name, "models")) {
        log.log("info", "a provider lists its models again", { provider: name });
      }
    } catch (error) {
      const { kind, message: told } = error instanceof ListFailure
        ? error
        : { kind: "list_failed" as const, message: "cannot be asked for its models" };
      const message = mask(told);
      this.#problem = `The provider "${name}" ${message}.`;
      if (health.report(name, "models", { kind, message: this.#problem })) {
        log.log("warn", "cannot list a provider's models", { provider: name, reason: message });
      }
    }
    this.#until = clock.elapsed() + (this.#problem ? RETRY : FRESH);
    this.#asking = undefined;
  }
}
