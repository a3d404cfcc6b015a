/** The UI message stream, read as its chunks. */
import type { JsonObject } from "../../src/domain/json.ts";

/** The headers that ask for it. */
export const UI = { "x-vercel-ai-ui-message-stream": "v1" };

/** A chunk of the stream. */
export type Chunk = JsonObject & { type: string };

/** The chunks of a response, to its end. */
export async function readFrames(response: Response): Promise<Chunk[]> {
  return chunksOf(await response.text());
}

/** The chunks in a text of the stream. */
export function chunksOf(text: string): Chunk[] {
  return [...text.matchAll(/^data: (\{.*)$/gm)].map(([, data]) => JSON.parse(data!));
}
