import { isJsonObject, type Json, type JsonObject } from "../../domain/json.ts";

/** A server-sent event: the JSON of its data, or the data itself if that is no JSON. */
export type ServerEvent = { name: string; value: Json } | { name: string; text: string };

/** The most lines of data that are read as an event each. */
const MAX_LINES = 1_000;

/** The events in a text of whole ones, whose lines end in LF. */
export function* eventsIn(text: string): Generator<ServerEvent> {
  for (const event of blocksOf(text)) yield* readEvent(event);
}

function* blocksOf(text: string): Generator<string> {
  for (let from = 0, to = 0; from < text.length; from = to + 2) {
    to = text.indexOf("\n\n", from);
    if (to < 0) to = text.length;
    yield text.slice(from, to);
  }
}

/** How often in a row an event may be taken for a pattern in vain, and how long one may be, in characters. */
const MAX_MISSES = 8;
const MAX_PATTERN = 4 * 1024;

/**
 * Reads the events of one answer. Most differ in the text of a delta alone: of these only that text is
 * read, and put into the event before. So an event is valid until the next is read.
 */
export class EventReader {
  #pattern: Pattern | undefined;
  /** By the field of the text: how many events in a row were read in vain for a pattern. */
  readonly #misses = new Map<string, number>();

  /** The events in a text of whole ones, whose lines end in LF. */
  *eventsIn(text: string): Generator<ServerEvent> {
    for (const block of blocksOf(text)) {
      const alike = this.#pattern?.read(block);
      if (alike) {
        this.#misses.delete(this.#pattern!.field);
        yield alike;
        continue;
      }
      const events = readEvent(block);
      if (events.length === 1) this.#learn(block, events[0]!);
      yield* events;
    }
  }

  #learn(block: string, event: ServerEvent): void {
    if (block.length > MAX_PATTERN || block.includes("\n") || !("value" in event)) return;
    const delta = deltaOf(event.value);
    const field = TEXTS.find((name) => typeof delta?.[name] === "string" && delta[name] !== "");
    if (field === undefined) return;
    const misses = this.#misses.get(field) ?? 0;
    if (misses === MAX_MISSES) return;
    this.#misses.set(field, misses + 1);
    this.#pattern = patternOf(block, field, delta![field] as string) ?? this.#pattern;
  }
}

/** Where a server that reasons puts its thoughts. */
export const REASONING = ["reasoning_content", "reasoning", "thinking"] as const;

/** The fields of a delta that bring its text. */
const TEXTS = ["content", ...REASONING, "text"] as const;

/** What an event looks like around the text of its delta. */
class Pattern {
  constructor(
    private readonly head: string,
    private readonly tail: string,
    private readonly event: ServerEvent,
    private readonly delta: JsonObject,
    readonly field: string,
  ) {}

  /** The event, if it is of this pattern. */
  read(block: string): ServerEvent | undefined {
    const end = block.length - this.tail.length;
    const isAlike = block.startsWith(this.head) && end > this.head.length &&
      block.endsWith(this.tail);
    if (!isAlike) return undefined;
    const text = stringOf(block.slice(this.head.length, end));
    if (text === undefined) return undefined;
    this.delta[this.field] = text;
    return this.event;
  }
}

/** The string that is written in JSON; undefined if it is anything else. */
function stringOf(json: string): string | undefined {
  if (json[0] !== '"') return undefined;
  try {
    return JSON.parse(json);
  } catch {
    return undefined;
  }
}

/** What an event has around the text in that field of its delta; undefined if it cannot be told. */
function patternOf(block: string, field: string, text: string): Pattern | undefined {
  const literal = JSON.stringify(text);
  const at = block.lastIndexOf(literal);
  if (at < 0) return undefined;
  // Copies: a part of a text keeps all of it, and this comes of everything that one read has brought.
  const [head, tail] = [copyOf(block.slice(0, at)), copyOf(block.slice(at + literal.length))];
  // The same text may stand elsewhere in the event: with another one here, its delta must have that.
  const probe = `${text}.`;
  const [other] = readEvent(head + JSON.stringify(probe) + tail);
  const changed = other && "value" in other ? deltaOf(other.value) : undefined;
  if (changed?.[field] !== probe) return undefined;
  return new Pattern(head, tail, other!, changed, field);
}

function copyOf(text: string): string {
  return text.split("").join("");
}

function deltaOf(value: Json): JsonObject | undefined {
  const choices = isJsonObject(value) ? value["choices"] : undefined;
  const choice = Array.isArray(choices) ? choices[0] : undefined;
  const delta = isJsonObject(choice) ? choice["delta"] : undefined;
  return isJsonObject(delta) ? delta : undefined;
}

function readEvent(event: string): ServerEvent[] {
  let name = "";
  const data: string[] = [];
  for (const line of event.includes("\n") ? event.split("\n") : [event]) {
    const colon = line.indexOf(":");
    const value = line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (line.startsWith("data:")) data.push(value);
    else if (line.startsWith("event:")) name = value;
  }
  if (data.length === 0) return [];
  const whole = read(name, data.join("\n"));
  // Some servers leave out the empty line between events.
  if (data.length === 1 || data.length > MAX_LINES || "value" in whole) return [whole];
  return data.map((line) => read(name, line));
}

function read(name: string, data: string): ServerEvent {
  try {
    return { name, value: JSON.parse(data) };
  } catch {
    return { name, text: data };
  }
}
