import type { Json } from "../../domain/json.ts";

/** A server-sent event: the JSON of its data, or the data itself if that is no JSON. */
export type ServerEvent = { name: string; value: Json } | { name: string; text: string };

/** The most lines of data that are read as an event each. */
const MAX_LINES = 1_000;

/** The events in a text of whole ones, whose lines end in LF. */
export function* eventsIn(text: string): Generator<ServerEvent> {
  for (let from = 0, to = 0; from < text.length; from = to + 2) {
    to = text.indexOf("\n\n", from);
    if (to < 0) to = text.length;
    yield* readEvent(text.slice(from, to));
  }
}

function* readEvent(event: string): Generator<ServerEvent> {
  let name = "";
  const data: string[] = [];
  for (const line of event.includes("\n") ? event.split("\n") : [event]) {
    const colon = line.indexOf(":");
    const value = line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (line.startsWith("data:")) data.push(value);
    else if (line.startsWith("event:")) name = value;
  }
  if (data.length === 0) return;
  const whole = read(name, data.join("\n"));
  // Some servers leave out the empty line between events.
  if (data.length === 1 || data.length > MAX_LINES || "value" in whole) yield whole;
  else for (const line of data) yield read(name, line);
}

function read(name: string, data: string): ServerEvent {
  try {
    return { name, value: JSON.parse(data) };
  } catch {
    return { name, text: data };
  }
}
