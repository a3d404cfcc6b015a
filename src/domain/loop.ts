/** The event loop, which all requests share. */

/** How often the runtime looks at its sockets in between: a request needs several looks to be answered. */
export const LOOKS = 4;

const NOTHING = new Uint8Array();

/**
 * Resolves once the runtime has looked at its sockets, some 60 µs later if nothing waits there. It only
 * does while JavaScript waits. An immediate is taken before that (measured: a request waited 240 ms beside
 * such a loop), and a timer comes no sooner than after 2 ms; a digest is made in another thread.
 */
export async function socketsHadTheirTurn(): Promise<void> {
  await crypto.subtle.digest("SHA-1", NOTHING);
}

/** Resolves once everything else that waits had its turn. */
export async function othersHadTheirTurn(): Promise<void> {
  for (let look = 0; look < LOOKS; look++) await socketsHadTheirTurn();
}
