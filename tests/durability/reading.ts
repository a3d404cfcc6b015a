/** Clients that join a run, read some of it, and leave. */
import { assert, assertEquals } from "@std/assert";
import type { TestServer } from "../kit/parley.ts";
import { joined } from "./frames.ts";
import type { Random } from "../kit/random.ts";

/** How long a client reads before it takes the stream for one that never ends, in milliseconds. */
const PATIENCE = 30_000;

/** Where and how a client joins. */
export interface Joining {
  chat: string;
  /** The event behind which it goes on. */
  after: number;
  by: "after" | "last-event-id";
  run: string;
}

/** Joins a run. A status of 204 says that there is nothing more. */
export async function join(
  server: Pick<TestServer, "ask">,
  { chat, after, by, run }: Joining,
): Promise<Response> {
  const query = by === "after" ? `?run=${run}&after=${after}` : "";
  const response = await server.ask("GET", `/api/v2/chats/${chat}/stream${query}`, {
    headers: by === "after" ? {} : { "last-event-id": `${run}:${after}` },
    // A stream that never ends must fail a test, not hold it.
    signal: AbortSignal.timeout(PATIENCE),
  });
  assert([200, 204].includes(response.status), `status ${response.status}`);
  return response;
}

/**
 * Reads a piece or more, never beyond one that ends with `last`, and goes away in the middle of it:
 * keeps only some of what came.
 */
export async function readSome(
  response: Response,
  last: string,
  random: Random,
): Promise<Uint8Array> {
  assertEquals(response.status, 200);
  const reader = response.body!.getReader();
  let got: Uint8Array = new Uint8Array();
  do {
    const { value, done } = await reader.read();
    if (done) break;
    got = joined(got, value);
  } while (random.chance(0.5) && !new TextDecoder().decode(got).endsWith(last));
  await reader.cancel();
  return got.subarray(0, random.between(0, got.length));
}
