/** A long JSON array as a response. */
import { type AttachedFiles, withAttached } from "../domain/attached.ts";
import type { HttpParts, RequestContext } from "./context.ts";
import { enterStream, paceOf } from "./pace.ts";
import { pacedBody, sourceOf } from "./paced_body.ts";

/** A longer array is sent at the pace of its client, in characters. */
const SHORT = 32 * 1024;

/** What an array is made from. */
export interface ArrayParts {
  lists: AsyncGenerator<object[]>;
  /** The files that the lists so far have placeholders for. */
  files: AttachedFiles;
  /** True if it takes turns with others. */
  isLong: boolean;
}

/**
 * Lists as one JSON array. Each is encoded when the client has taken the one before, so that a long
 * history neither blocks the event loop nor waits in memory.
 * @throws {AppError} `too_many_requests` if the array is long and the user has too many open streams.
 */
export async function jsonArray(
  c: RequestContext,
  parts: HttpParts,
  { lists, files, isLong }: ArrayParts,
): Promise<Response> {
  const headers = { "content-type": "application/json" };
  const texts = jsonTexts(lists);
  let first = "";
  while (first.length < SHORT && files.size === 0) {
    if (isLong) await parts.turns.next();
    const { value, done } = await texts.next();
    if (done) return c.body(first, 200, headers);
    first += value;
  }
  const pace = paceOf(c, parts, enterStream(c, parts));
  const [head, named] = files.size > 0 ? ["", first] : [first, ""];
  const source = () => sourceOf(encoded(named, texts, files), parts.turns);
  return c.body(pacedBody(source, { ...pace, first: head }), 200, headers);
}

// A generator keeps its variables while it waits for a client that takes nothing. So those that are large
// live in functions which have ended by then.

async function* encoded(
  first: string,
  texts: AsyncIterator<string>,
  files: AttachedFiles,
): AsyncGenerator<Uint8Array> {
  yield* withAttached(first, files);
  let isOver = false;
  const next = async () => {
    const { value: text = "", done = false } = await texts.next();
    isOver = done;
    return files.size > 0 ? withAttached(text, files) : [new TextEncoder().encode(text)];
  };
  while (!isOver) yield* await next();
}

/** The JSON text of all lists as one array, list by list. */
async function* jsonTexts(lists: AsyncIterator<object[]>): AsyncGenerator<string, undefined> {
  let separator = "[";
  let isOver = false;
  const next = async () => {
    const { value: list, done = false } = await lists.next();
    isOver = done;
    if (done || list.length === 0) return "";
    const text = separator + list.map((item: object) => JSON.stringify(item)).join(",");
    separator = ",";
    return text;
  };
  while (!isOver) yield await next();
  yield separator === "[" ? "[]" : "]";
}
