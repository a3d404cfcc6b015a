/** What a scripted provider does to runs at random, and how each fault is to be called. */
import type { RecordedRequest, Script, Step, Usage } from "../kit/provider/provider.ts";
import { recorded, Standstill } from "./many_kit.ts";
import { type Random } from "../kit/random.ts";

const FAULTS = ["401", "429", "500", "refuse", "cut", "error at once", "error", "end"] as const;
const KINDS = [...FAULTS, "whole", "whole", "whole", "uncounted", "stall"] as const;
/** What one request is answered with. */
export type Kind = (typeof KINDS)[number] | "no thinking";

/** The classes that a run may fail with when its last request met that fault. */
export const CLASSES: Partial<Record<Kind, string[]>> = {
  "no thinking": ["provider_refused"],
  "401": ["provider_auth"],
  "429": ["provider_rate_limited"],
  "500": ["provider_unavailable"],
  refuse: ["provider_unavailable", "provider_cut"],
  cut: ["provider_cut"],
  "error at once": ["provider_unavailable"],
  error: ["provider_unavailable"],
  end: ["provider_cut"],
};

/** A request, and what it was answered with. */
export interface Asked {
  kind: Kind;
  request: RecordedRequest;
  usage: Required<Usage>;
}

/** A run, or a title, and all the requests that it took. */
export class Plan {
  /** The run's id, once it is known. */
  run = "";
  readonly asked: Asked[] = [];
  readonly standstill = new Standstill();
  readonly #arrived = Promise.withResolvers<void>();
  /** Resolves when its first request has arrived. */
  readonly arrived = this.#arrived.promise;

  constructor(
    readonly chat: string,
    readonly random: Random,
    readonly options: {
      thinking: boolean;
      /** Stopped at a random moment. Where its provider stalls it always is, at that moment. */
      stopped: boolean;
    },
  ) {}

  /** Makes the answer to its next request. */
  answer(request: RecordedRequest): Script {
    const { random, options } = this;
    const kind = options.thinking && this.asked.length === 0 ? "no thinking" : random.pick(KINDS);
    const [cached, reasoning] = [random.below(50), random.below(50)];
    const input = cached + 1 + random.below(1_000);
    const output = reasoning + 1 + random.below(1_000);
    const usage = { input, output, cached, reasoning };
    this.asked.push({ kind, request, usage });
    this.#arrived.resolve();
    return this.#script(kind, request, usage);
  }

  #script(kind: Kind, request: RecordedRequest, usage: Usage): Script {
    const { random } = this;
    const text: Step[] = [{ reasoning: "Well, " }, { text: "this " }, { text: "is it." }];
    const some = text.slice(0, random.below(4));
    const whole: Step[] = [...text, { finish: "stop", usage }];
    const overloaded = { error: { message: "overloaded", status: 503 } };
    switch (kind) {
      case "no thinking":
        return { status: 400, message: "this model cannot reason" };
      case "401":
      case "500":
        return { status: Number(kind) };
      case "429":
        return { status: 429, headers: { "retry-after-ms": String(1 + random.below(1_000)) } };
      case "refuse":
        return { refuse: true };
      case "cut":
        return { steps: whole, cutAtByte: random.below(recorded(whole, request).bytes.length) };
      case "error at once":
        return { steps: [overloaded] };
      case "error":
        return { steps: [...text.slice(0, 1 + random.below(3)), overloaded] };
      case "end":
        return { steps: [...some, { end: true }] };
      case "stall":
        return { steps: [...some, { wait: this.standstill }, { end: true }] };
      case "uncounted":
        return { steps: [...whole, { noUsage: true }] };
      case "whole":
        return { steps: whole };
    }
  }
}
