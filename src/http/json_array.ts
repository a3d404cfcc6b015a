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
  let begun = "";
  while (begun.length < SHORT && files.size === 0) {
    if (isLong) await parts.turns.next();
    const { value, done } = await texts.next();
    if (done) return c.body(begun, 200, headers);
    begun += value;
  }
  const bytes = encoded(begun, texts, files);
  const pace = paceOf(c, parts, enterStream(c, parts));
  return c.body(pacedBody(() => sourceOf(bytes, parts.turns), pace), 200, headers);
}

async function* encoded(
  begun: string,
  texts: AsyncIterable<string>,
  files: AttachedFiles,
): AsyncGenerator<Uint8Array> {
  yield* withAttached(begun, files);
  for await (const text of texts) yield* withAttached(text, files);
}

/** The JSON text of all lists as one array, list by list. */
async function* jsonTexts(lists: AsyncIterable<object[]>): AsyncGenerator<string, undefined> {
  let separator = "[";
  for await (const list of lists) {
    if (list.length === 0) continue;
    yield separator + list.map((item) => JSON.stringify(item)).join(",");
    separator = ",";
  }
  yield separator === "[" ? "[]" : "]";
}
