import { type Clock, systemClock } from "../../src/domain/clock.ts";

interface Sleeper {
  ms: number;
  due: number;
  wake: () => void;
}

/** A clock that stands still until a test moves it. */
export class FakeClock implements Clock {
  #now = Date.parse("2026-11-23T09:00:00Z");
  #elapsed = 0;
  readonly #sleepers = new Set<Sleeper>();
  readonly #watchers = new Set<() => void>();

  now = (): number => this.#now;

  elapsed = (): number => this.#elapsed;

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const sleeper: Sleeper = { ms, due: this.#elapsed + ms, wake: resolve };
      this.#sleepers.add(sleeper);
      signal?.addEventListener("abort", () => {
        this.#sleepers.delete(sleeper);
        reject(signal.reason);
      }, { once: true });
      for (const watcher of [...this.#watchers]) watcher();
    });
  }

  /** Advances time and wakes the sleepers that are due. */
  advance(ms: number): void {
    this.#now += ms;
    this.#elapsed += ms;
    for (const sleeper of [...this.#sleepers]) {
      if (sleeper.due > this.#elapsed) continue;
      this.#sleepers.delete(sleeper);
      sleeper.wake();
    }
  }

  /**
   * Sets the time of day alone, as an administrator does, or the end of a suspension: sleepers still
   * sleep as long as before.
   */
  set(ms: number): void {
    this.#now += ms;
  }

  /** Resolves once a sleep of exactly `ms` begins. */
  async sleeping(ms: number): Promise<void> {
    while (![...this.#sleepers].some((sleeper) => sleeper.ms === ms)) {
      await new Promise<void>((resolve) => {
        const watcher = () => {
          this.#watchers.delete(watcher);
          resolve();
        };
        this.#watchers.add(watcher);
      });
    }
  }
}

/** The machine's clock, but time goes by that many times faster: long waits are over soon. */
export class FastClock implements Clock {
  readonly #begun = systemClock.now();

  constructor(readonly factor: number) {}

  now = (): number => this.#begun + Math.round((systemClock.now() - this.#begun) * this.factor);

  elapsed = (): number => systemClock.elapsed() * this.factor;

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return systemClock.sleep(ms / this.factor, signal);
  }
}
