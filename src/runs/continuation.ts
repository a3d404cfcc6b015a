import type { Assembly } from "../domain/assembly.ts";
import type { RunEvent } from "../domain/event.ts";
import { messageText } from "../domain/message.ts";
import type { ProviderType } from "../domain/provider.ts";
import type { Remains } from "./remains.ts";

/** The providers that go on from the beginning of an answer if it is last in the prompt. */
const GO_ON: ReadonlySet<ProviderType> = new Set<ProviderType>(["anthropic", "demo"]);

/** An answer that was interrupted and that another process goes on with. */
export interface Continuation {
  /** The number of the last event in its log. */
  head: number;
  /** What was said so far, as the assembly of its log. */
  assembly: Assembly;
  /** The text so far, as the model is given it. */
  text: string;
  /** Joins what the model says now to the text that was open; undefined for what adds nothing. */
  join(event: RunEvent): RunEvent | undefined;
}

/**
 * The continuation of what was left of an answer, if the provider can go on from it: text alone, cut off
 * inside a block. Otherwise undefined.
 */
export function continuationOf(
  { assembly, head, last }: Remains,
  type: ProviderType,
): Continuation | undefined {
  if (!GO_ON.has(type) || last?.type !== "text-delta") return undefined;
  const parts = assembly.parts({ ended: false });
  if (!parts.every(({ type }) => type === "text" || type === "step-start")) return undefined;
  // Providers refuse an answer that ends in white space, or that is empty.
  const text = messageText({ parts });
  const given = text.trimEnd();
  if (given === "") return undefined;
  return { head, assembly, text: given, join: joinText(last.id, /\s$/.test(text)) };
}

function joinText(open: string, endsInSpace: boolean): Continuation["join"] {
  let joinedAs: string | undefined;
  let trim = endsInSpace;
  return (event) => {
    if (event.type === "text-start" && joinedAs === undefined) {
      joinedAs = event.id;
      return undefined;
    }
    if (!("id" in event) || event.id !== joinedAs) return event;
    if (event.type !== "text-delta") return { ...event, id: open };
    // The log has the space that the model was not given.
    const text = trim ? event.text.trimStart() : event.text;
    if (text === "") return undefined;
    trim = false;
    return { type: "text-delta", id: open, text };
  };
}
