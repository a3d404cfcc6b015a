import { assemble, Assembly } from "../domain/assembly.ts";
import type { RunEvent } from "../domain/event.ts";
import type { ProviderType } from "../domain/provider.ts";
import type { Emit } from "../models/call.ts";

/** The providers that go on from the beginning of an answer, if it stands last in the prompt. */
const GO_ON: ReadonlySet<ProviderType> = new Set<ProviderType>(["anthropic", "demo"]);

/** An answer that was interrupted and that another process goes on with. */
export interface Continuation {
  /** The number of the last event in its log. */
  head: number;
  /** What was said so far, as the assembly of its log. */
  assembly: Assembly;
  /** The text so far, as the model is given it. */
  text: string;
  /** Joins what the model says now to the text that was open. */
  joined(emit: Emit): Emit;
}

/**
 * The continuation of a log, where the provider can go on from it: text alone, cut off inside a block.
 * Otherwise undefined.
 */
export function continuationOf(
  events: readonly RunEvent[],
  type: ProviderType,
): Continuation | undefined {
  if (!GO_ON.has(type)) return undefined;
  const parts = assemble(events, { ended: true });
  const textOnly = parts.every(({ type }) => type === "text" || type === "step-start");
  const open = openText(events);
  if (!textOnly || open === undefined) return undefined;
  // Providers refuse an answer that ends in white space, or that is none.
  const text = parts.map((part) => part.type === "text" ? part.text : "").join("");
  const given = text.trimEnd();
  if (given === "") return undefined;
  const assembly = new Assembly();
  for (const event of events) assembly.apply(event);
  return {
    head: events.length,
    assembly,
    text: given,
    joined: (emit) => joinText(emit, open, /\s$/.test(text)),
  };
}

/** The id of the text block that the log ends in. */
function openText(events: readonly RunEvent[]): string | undefined {
  const last = events.at(-1);
  return last?.type === "text-delta" ? last.id : undefined;
}

function joinText(emit: Emit, open: string, endsInSpace: boolean): Emit {
  let joinedAs: string | undefined;
  let trim = endsInSpace;
  return (event) => {
    if (event.type === "text-start" && joinedAs === undefined) {
      joinedAs = event.id;
      return;
    }
    if (!("id" in event) || event.id !== joinedAs) return emit(event);
    if (event.type !== "text-delta") return emit({ ...event, id: open });
    // The space that the model was not given is there already.
    const text = trim ? event.text.trimStart() : event.text;
    if (text === "") return;
    trim = false;
    return emit({ type: "text-delta", id: open, text });
  };
}
