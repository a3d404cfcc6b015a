/** The ids of a message's calls, of which each has its own: pure. */
import type { ProviderMetadata, RunEvent } from "../domain/event.ts";
import { isToolPart, type Part, type ToolPart } from "../domain/message.ts";

/**
 * Names the calls of a step. Some models repeat an id in each step, or within one, or leave it empty; but
 * clients, approvals and results find a call by its id in the message.
 */
export class CallIds {
  /** The ids that calls of the message have. */
  readonly #taken: Set<string>;
  /** The id of the newest call, by the model's. */
  readonly #named = new Map<string, string>();
  /** The model's ids of calls whose input is still to come. */
  readonly #open = new Set<string>();

  /** `parts` are those of the message so far. */
  constructor(parts: readonly Part[]) {
    this.#taken = new Set(parts.filter(isToolPart).map(({ toolCallId }) => toolCallId));
  }

  /** The next event of the step, with its call's own id, and a note of the model's if that differs. */
  name<E extends RunEvent>(event: E): E {
    if (!("toolCallId" in event)) return event;
    const given = event.toolCallId;
    const isWhole = event.type === "tool-input" || event.type === "tool-input-error";
    if (event.type === "tool-input-start" || (isWhole && !this.#open.delete(given))) {
      this.#begin(given);
      if (!isWhole) this.#open.add(given);
    }
    const toolCallId = this.#named.get(given) ?? given;
    if (toolCallId === given) return event;
    if (event.type !== "tool-input") return { ...event, toolCallId };
    return { ...event, toolCallId, providerMetadata: noted(event.providerMetadata, given) };
  }

  #begin(given: string): void {
    const base = given || "call";
    let id = base;
    for (let n = 2; this.#taken.has(id); n++) id = `${base}_${n}`;
    this.#taken.add(id);
    this.#named.set(given, id);
  }
}

function noted(metadata: ProviderMetadata | undefined, callId: string): ProviderMetadata {
  return { ...metadata, parley: { callId } };
}

/** The id that the call's model gave it. */
export function modelCallId({ toolCallId, callProviderMetadata }: ToolPart): string {
  const id = callProviderMetadata?.["parley"]?.["callId"];
  return typeof id === "string" ? id : toolCallId;
}
