/** Cuts a stream of server-sent events into events, each with the empty line that ends it. */
export class ServerSentEvents {
  readonly #decoder = new TextDecoder();
  #text = "";
  #at = 0;

  push(bytes: Uint8Array): void {
    this.#text = this.#text.slice(this.#at) + this.#decoder.decode(bytes, { stream: true });
    this.#at = 0;
  }

  /** The next whole event as text; undefined where none is whole yet. */
  next(): string | undefined {
    const end = this.#text.indexOf("\n\n", this.#at);
    // Other ends of lines are rare: all that is there counts as one event, and as none of the plain.
    if (end < 0) return this.#text.includes("\r", this.#at) ? this.rest() : undefined;
    const event = this.#text.slice(this.#at, end + 2);
    this.#at = end + 2;
    return event;
  }

  /** What was pushed and not taken. */
  rest(): string {
    const rest = this.#text.slice(this.#at) + this.#decoder.decode();
    this.#text = "";
    this.#at = 0;
    return rest;
  }
}

/** What a plain event adds; `empty` for one that adds nothing, as the first often does. */
type PlainDelta = { kind: "text" | "reasoning"; text: string } | "empty";

interface Choice {
  delta?: Record<string, unknown> | null;
  finish_reason?: unknown;
}

/**
 * The delta of an event of chat completions that has text or reasoning, or nothing, and no more than
 * that; undefined for any other event.
 */
export function plainDelta(event: string): PlainDelta | undefined {
  if (event.indexOf("\n") !== event.length - 2) return undefined;
  if (event.startsWith(":")) return "empty";
  if (!event.startsWith("data:")) return undefined;
  let value: { choices?: Choice[]; usage?: unknown; error?: unknown } | null;
  try {
    value = JSON.parse(event.slice(5, -2));
  } catch {
    return undefined;
  }
  if (typeof value !== "object" || value === null) return undefined;
  if (isSet(value.usage) || value.error !== undefined) return undefined;
  const choice = value.choices?.length === 1 ? value.choices[0] : undefined;
  if (!choice?.delta || isSet(choice.finish_reason)) return undefined;
  return deltaOf(choice.delta);
}

function isSet(value: unknown): boolean {
  return value !== null && value !== undefined;
}

function deltaOf(delta: Record<string, unknown>): PlainDelta | undefined {
  let found: PlainDelta = "empty";
  for (const key in delta) {
    const value = delta[key];
    if (value === null || value === "") continue;
    if (key === "role" && value === "assistant") continue;
    const kind = KINDS[key];
    // Two kinds in one event, or a kind that is not known: the SDK knows what comes first.
    if (kind === undefined || typeof value !== "string" || found !== "empty") return undefined;
    found = { kind, text: value };
  }
  return found;
}

const KINDS: Readonly<Record<string, "text" | "reasoning" | undefined>> = {
  content: "text",
  reasoning_content: "reasoning",
  reasoning: "reasoning",
};
