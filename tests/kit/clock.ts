import type { Clock } from "../../src/domain/clock.ts";

interface Sleeper {
  ms: number;
  due: number;
  wake: () => void;
}

/** A clock that stands still until a test moves it. */
export class FakeClock implements Clock {
  #now = Date.parse("2026-11-23T09:00:00Z");
  readonly #sleepers = new Set<Sleeper>();
  readonly #watchers = new Set<() => void>();

  now = (): number => this.#now;

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason);
      const sleeper: Sleeper = { ms, due: this.#now + ms, wake: resolve };
      this.#sleepers.add(sleeper);
      signal?.addEventListener("abort", () => {
        this.#sleepers.delete(sleeper);
        reject(signal.reason);
      }, { once: true });
      for (const watcher of [...this.#watchers]) watcher();
    });
  }

  /** Moves time on and wakes who is due. */
  advance(ms: number): void {
    this.#now += ms;
    for (const sleeper of [...this.#sleepers]) {
      if (sleeper.due > this.#now) continue;
      this.#sleepers.delete(sleeper);
      sleeper.wake();
    }
  }

  /** Moves time on as a machine does that was suspended: who sleeps, sleeps as long as before. */
  suspend(ms: number): void {
    this.#now += ms;
    for (const sleeper of this.#sleepers) sleeper.due += ms;
  }

  /** Resolves once someone sleeps for exactly `ms`. */
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
