import { JsonShape } from "./json_shape.ts";
import { Trouble } from "./trouble.ts";

/** What the JSON of another server may be. */
const SHAPE = { depth: 64, values: 200_000 };

/** The first bytes of a body, up to one more than `max`, or what came until the signal. */
export async function readStart(
  body: ReadableStream<Uint8Array>,
  max: number,
  signal?: AbortSignal,
): Promise<Uint8Array<ArrayBuffer>> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  const reader = body.getReader();
  signal?.addEventListener("abort", () => reader.cancel().catch(() => {}), { once: true });
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    pieces.push(read.value.slice());
    length += read.value.length;
    if (length > max) break;
  }
  reader.cancel().catch(() => {});
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes.subarray(0, max + 1);
}

/**
 * Reads a body of JSON.
 * @throws {Trouble} `oversized` if it is longer than `max` bytes or nested too deep.
 * @throws {SyntaxError} if it is not JSON.
 */
export async function readJson({ body }: Response, max: number): Promise<unknown> {
  const bytes = body ? await readStart(body, max) : new Uint8Array();
  if (bytes.length > max) throw new Trouble("oversized", `answers with more than ${max} bytes`);
  new JsonShape(SHAPE).scan(bytes);
  return JSON.parse(new TextDecoder().decode(bytes));
}
