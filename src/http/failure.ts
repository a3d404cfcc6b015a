/** Turns errors into HTTP responses. */
import { AppError, type AppErrorOptions, type ErrorCode } from "../domain/errors.ts";

/** The HTTP status of each domain error. */
const STATUS: Readonly<Record<ErrorCode, number>> = {
  bad_request: 400,
  not_found: 404,
  conflict: 409,
  gone: 410,
  too_large: 413,
  unprocessable: 422,
  too_many_requests: 429,
  internal: 500,
  storage_failed: 500,
  bad_gateway: 502,
  unavailable: 503,
  storage_full: 507,
};

/** An error of HTTP itself, such as a wrong method, with its status. */
export class HttpError extends Error {
  override readonly name = "HttpError";
  constructor(
    readonly status: 401 | 403 | 405 | 408 | 415 | 421 | 431,
    message: string,
    readonly options: Pick<AppErrorOptions, "detail" | "headers">,
  ) {
    super(message);
  }
}

/**
 * Any error as a response in Coder's shape: `{message, detail?, validations?}`. The
 * response to an unexpected error has no details.
 */
export function failureOf(error: unknown): Response {
  const known = error instanceof AppError || error instanceof HttpError
    ? error
    : new AppError("internal", "An internal error occurred");
  const isHttp = known instanceof HttpError;
  const status = isHttp ? known.status : STATUS[known.code];
  const { detail, headers, validations, retryAfter }: AppErrorOptions = isHttp
    ? known.options
    : known;
  return Response.json({ message: known.message, detail, validations }, {
    status,
    headers: {
      "cache-control": "no-store",
      ...(retryAfter !== undefined && { "retry-after": String(retryAfter) }),
      ...headers,
    },
  });
}

/** True for an error that is the request's own. */
export function isRefused(error: unknown): boolean {
  return error instanceof HttpError || (error instanceof AppError && STATUS[error.code] < 500);
}

/** Coder's error for a resource that does not exist or belongs to someone else. */
export function notFound(): AppError {
  const message = "Resource not found or you do not have access to this resource";
  return new AppError("not_found", message);
}
