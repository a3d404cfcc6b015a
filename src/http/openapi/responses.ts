/** What operations answer: their headers and errors, each described once. */
import { z } from "zod";
import type {
  ZodOpenApiContentObject,
  ZodOpenApiResponseObject,
  ZodOpenApiResponsesObject,
} from "zod-openapi";
import { failureSchema } from "../schemas.ts";

const requestId = z.string().meta({
  description: "The request's id in Parley's log: the client's own, if it sent a usable one.",
  header: { id: "RequestId" },
});

const retryAfter = z.string().regex(/^\d+$/).meta({
  description: "Seconds after which to try again.",
  header: { id: "RetryAfter" },
});

const liveRunId = z.uuid().optional().meta({
  description: "The run that is answering.",
  header: { id: "LiveRunId" },
});

const challenge = z.string().meta({
  description: "How to authenticate.",
  header: { id: "Challenge" },
});

const FAILURES = {
  400: failure("BadRequest", "The request is malformed. `validations` names the wrong fields."),
  401: failure("Unauthorized", "No token, or one that is unknown, expired or revoked.", {
    "WWW-Authenticate": challenge,
  }),
  403: failure("Forbidden", "The token came in a cookie, from a page of another origin."),
  404: failure("NotFound", "There is no such thing, or it is someone else's."),
  409: failure(
    "Busy",
    "The chat is answering already; or it has moved on from the answer that comes back; or the " +
      "message of this `Idempotency-Key` was taken back. Nothing was stored.",
    { "Parley-Run-Id": liveRunId },
  ),
  413: failure("TooLarge", "The body is too large, or the message's text too long."),
  415: failure("UnsupportedMediaType", "The body is of another type than JSON."),
  421: failure("Misdirected", "The `Host` of the request is none that this server answers for."),
  422: failure("KeyTaken", "This `Idempotency-Key` came with another message."),
  429: failure("TooMany", "Too many streams are open, or too many messages wait in the chat.", {
    "Retry-After": retryAfter,
  }),
  431: failure("HeadersTooLarge", "The headers, with the URL, are too large."),
  500: failure("Internal", "Parley or its database failed. What was sent may be stored."),
  502: failure("BadGateway", "The Coder deployment that knows the tokens cannot be asked."),
  503: failure(
    "Unavailable",
    "The database is locked by another program, or Parley is shutting down: nothing was stored. " +
      "Or a remote database gave no answer: what was sent may be stored.",
    { "Retry-After": retryAfter },
  ),
  507: failure("StorageFull", "The disk of the database is full. Nothing was stored."),
};

/** A status that an error has. */
type FailureStatus = keyof typeof FAILURES;

/** The errors of an operation that needs a token and only reads. */
export const READS: readonly FailureStatus[] = [401, 502, 503];

/** The errors of an operation that needs a token and changes something. */
export const CHANGES: readonly FailureStatus[] = [...READS, 403, 507];

/** The errors of an operation that takes a body. */
export const TAKES_BODY: readonly FailureStatus[] = [400, 413, 415];

/** The errors named, and those that any operation may have. */
export function failures(...statuses: FailureStatus[]): ZodOpenApiResponsesObject {
  const all: FailureStatus[] = [...statuses, 421, 431, 500];
  return Object.fromEntries(all.map((status) => [status, FAILURES[status]]));
}

/** An answer that is no error. */
export function success(
  description: string,
  content?: ZodOpenApiContentObject,
  headers: Record<string, z.ZodType> = {},
): ZodOpenApiResponseObject {
  return {
    description,
    headers: z.object({ ...headers, "X-Request-Id": requestId }),
    ...(content && { content }),
  };
}

/** A body of JSON. */
export function json(schema: z.ZodType, example?: unknown): ZodOpenApiContentObject {
  return { "application/json": { schema, ...(example !== undefined && { example }) } };
}

/** An error of a status that means something of its own. */
export function failure(
  id: string,
  description: string,
  headers?: Record<string, z.ZodType>,
): ZodOpenApiResponseObject {
  return { id, ...success(description, json(failureSchema), headers) };
}
