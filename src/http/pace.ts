/** The place of a long response among the streams of its user, and its pace. */
import type { HttpParts, RequestContext } from "./context.ts";
import type { Pace } from "./paced_body.ts";

/**
 * Takes a place among the streams of the user until the client has the whole response. Without a
 * connection, the result gives it back.
 * @throws {AppError} `too_many_requests` if there is none.
 */
export function enterStream(c: RequestContext, { streams }: HttpParts): () => void {
  const leave = streams.enter(c.var.principal.id);
  // Until then the stream costs memory and a connection.
  const completed = c.env?.connection?.completed;
  if (!completed) return leave;
  completed.then(leave, leave);
  return () => {};
}

/** The pace of a response that has such a place. */
export function paceOf(
  c: RequestContext,
  { limits: { keepAliveMs }, held }: HttpParts,
  onClose: () => void,
): Pace {
  const { isSignedIn } = c.var;
  return { keepAliveMs, held, connection: c.env?.connection, mayStay: isSignedIn, onClose };
}
