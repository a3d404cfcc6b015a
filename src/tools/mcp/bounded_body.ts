import type { MessageBounds } from "./bounds.ts";

/** What a reader of a bounded body wants to know. */
export interface BodyEvents {
  /** It was beyond the bounds: the reason is the rest of a sentence. */
  excess?(why: string): void;
  /** It has ended, or nobody reads it any more. */
  end?(): void;
}

/** The same response, whose body fails once it is beyond the bounds. */
export function boundedBody(
  response: Response,
  bounds: MessageBounds,
  { excess, end }: BodyEvents = {},
): Response {
  const { body, status, statusText, headers } = response;
  if (!body) return response;
  const bounded = body.pipeThrough(
    new TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>({
      transform(chunk, controller) {
        try {
          bounds.scan(chunk);
        } catch (error) {
          excess?.((error as Error).message);
          throw error;
        }
        controller.enqueue(chunk);
      },
      flush: () => end?.(),
      cancel: () => end?.(),
    }),
  );
  return new Response(bounded, { status, statusText, headers });
}
