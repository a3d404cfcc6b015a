/** The event loop, which all requests share. */

/**
 * Resolves once the runtime has looked at its sockets, some 60 µs later if nothing else is to be done. It
 * only looks while JavaScript waits: an immediate is taken before that (measured: a request waited 240 ms
 * beside such a loop), and a timer comes no sooner than after 2 ms. A digest is made in another thread.
 */
export async function othersHadTheirTurn(): Promise<void> {
  await crypto.subtle.digest("SHA-1", NOTHING);
}

const NOTHING = new Uint8Array();
