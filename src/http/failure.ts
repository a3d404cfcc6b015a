/** The one place where errors become HTTP. */
import { AppError, type ErrorCode } from "../domain/errors.ts";

/** The status of each error. */
const STATUS: Readonly<Record<ErrorCode, number>> = {
  bad_request: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  too_large: 413,
  unsupported_media_type: 415,
  misdirected: 421,
  unprocessable: 422,
  too_many_requests: 429,
  headers_too_large: 431,
  internal: 500,
  bad_gateway: 502,
  unavailable: 503,
  storage_failed: 500,
  storage_full: 507,
};

/** An error in Coder's shape: `{message, detail?, validations?}`. */
export function failureResponse(error: AppError): Response {
  const { message, detail, validations } = error;
  return Response.json({ message, detail, validations }, {
    status: STATUS[error.code],
    headers: {
      "cache-control": "no-store",
      ...(error.retryAfter !== undefined && { "retry-after": String(error.retryAfter) }),
      ...error.headers,
    },
  });
}

/** Any error as an `AppError`: what is not one is ours, and tells nothing. */
export function asAppError(error: unknown): AppError {
  if (error instanceof AppError) return error;
  return new AppError("internal", "An internal error occurred", { cause: error });
}

/** What Coder's server says of a thing that is not there, or is another's. */
export function notFound(): AppError {
  return new AppError(
    "not_found",
    "Resource not found or you do not have access to this resource",
  );
}
