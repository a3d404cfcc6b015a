/** Faults at the seams between the house, its stores, its models and its feed: one call goes wrong. */
import type { Overrides } from "../../src/app.ts";
import type { Stores } from "../../src/domain/ports.ts";
import { type ChatEvent, ChatFeed } from "../../src/runs/feed.ts";

/** What becomes of the call; `lose` does it and then rejects, as a line does that breaks too late. */
export const MODES = ["throw", "reject", "never", "lose"] as const;
/** `late` does it once all else is over, as a disk does that stalled. */
export type Mode = typeof MODES[number] | "late";

/** One call of a method that goes wrong: the first is number 1. */
export interface Fault {
  /** Such as `runs.begin`, `call.stream` or `feed.publish`. */
  method: string;
  call: number;
  mode: Mode;
}

/** Called by the upkeep too, at any time, so that nobody knows whose call goes wrong. */
const UPKEEP = new Set([
  "attempts.closeTitles",
  "chats.removeRest",
  "chats.removeUnfinished",
  "events.expire",
  "keys.expire",
]);

type Method = (...args: unknown[]) => unknown;

/** Stands at every seam, counts the calls, and lets one of them go wrong. */
export class Seams {
  /** How often each method was called since `watch`. */
  readonly calls = new Map<string, number>();
  /** True once the fault has come to pass. */
  struck = false;
  #fault: Fault | undefined;
  #over = Promise.withResolvers<void>();

  /** Counts from nothing, and lets `fault` come to pass from now on. */
  watch(fault?: Fault): void {
    this.calls.clear();
    this.struck = false;
    this.#fault = fault;
    this.#over = Promise.withResolvers();
  }

  /** Lets nothing go wrong any more, and late calls go on. */
  disarm(): void {
    this.#fault = undefined;
    this.#over.resolve();
  }

  /** The overrides of a server that go through here. */
  get overrides(): Required<Pick<Overrides, "stores" | "call" | "feed">> {
    const feed = new ChatFeed();
    const publish = this.#through("feed.publish", feed.publish.bind(feed) as Method);
    return {
      feed: Object.assign(feed, {
        publish: (ownerId: string, event: ChatEvent) => void publish(ownerId, event),
      }),
      call: (call) => this.#around("call", call),
      stores: (stores) => {
        const entries = Object.entries(stores).map(([name, store]) => [
          name,
          this.#around(name, store),
        ]);
        return Object.fromEntries(entries) as Stores;
      },
    };
  }

  #around<T extends object>(name: string, port: T): T {
    const entries = Object.entries(port).map(([method, value]) => {
      const full = `${name}.${method}`;
      const isWatched = typeof value === "function" && !UPKEEP.has(full);
      return [method, isWatched ? this.#through(full, value as Method) : value];
    });
    return Object.fromEntries(entries) as T;
  }

  #through(name: string, method: Method): Method {
    return (...args) => {
      const call = (this.calls.get(name) ?? 0) + 1;
      this.calls.set(name, call);
      const fault = this.#fault;
      if (fault?.method !== name || fault.call !== call) return method(...args);
      this.struck = true;
      return goWrong(fault, () => method(...args), this.#over.promise);
    };
  }
}

function goWrong(
  { method, call, mode }: Fault,
  go: () => unknown,
  over: Promise<void>,
): unknown {
  const error = new Error(`injected: call ${call} of ${method}`);
  switch (mode) {
    case "throw":
      throw error;
    case "reject":
      return Promise.reject(error);
    case "never":
      return new Promise(() => {});
    case "late":
      return over.then(go);
    case "lose":
      return Promise.resolve(go()).then(() => Promise.reject(error));
  }
}
