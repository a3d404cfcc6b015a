/** The one family of errors that a request can end in, and the typed ends of a run. */

/** What went wrong with a request; `src/http/failure.ts` maps each to one HTTP status. */
export type ErrorCode =
  | "bad_request"
  | "unauthorized"
  | "forbidden"
  | "not_found"
  | "method_not_allowed"
  | "conflict"
  | "too_large"
  | "unsupported_media_type"
  | "misdirected"
  | "unprocessable"
  | "too_many_requests"
  | "headers_too_large"
  | "internal"
  | "bad_gateway"
  | "unavailable"
  | "storage_full"
  | "storage_failed";

/** One field of a request that was refused, in Coder's shape. */
export interface Validation {
  field: string;
  detail: string;
}

/** What an `AppError` may carry beside its code and message. */
export interface AppErrorOptions {
  /** More for the reader; never a secret, never a stack trace. */
  detail?: string | undefined;
  validations?: Validation[] | undefined;
  /** Seconds after which trying again makes sense; sent as `Retry-After`. */
  retryAfter?: number | undefined;
  /** Response headers that belong to this error, such as `Allow`. */
  headers?: Record<string, string> | undefined;
  cause?: unknown;
}

/** An error that a client may see: its message and detail are safe to send. */
export class AppError extends Error {
  override readonly name = "AppError";
  readonly code: ErrorCode;
  readonly detail: string | undefined;
  readonly validations: Validation[] | undefined;
  readonly retryAfter: number | undefined;
  readonly headers: Record<string, string> | undefined;

  constructor(code: ErrorCode, message: string, options: AppErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.detail = options.detail;
    this.validations = options.validations;
    this.retryAfter = options.retryAfter;
    this.headers = options.headers;
  }
}

/**
 * A mistake of the person who started the program: one line on standard error and exit code 2,
 * never a stack trace.
 */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** Why a run failed. */
export type FailureClass =
  | "provider_auth"
  | "provider_rate_limited"
  | "provider_refused"
  | "provider_unavailable"
  | "provider_cut"
  | "provider_stalled"
  | "provider_malformed"
  | "invalid_output"
  | "deadline"
  | "storage"
  | "internal";

/** The typed end of a failed run. */
export interface RunFailure {
  class: FailureClass;
  /** For the person in the chat: masked, one sentence. */
  message: string;
  /** True where the same request may well succeed later. */
  retryable: boolean;
  /** Milliseconds that the provider asked to wait. */
  retryAfterMs?: number;
}

/** Thrown inside a run to end it as failed. */
export class RunError extends Error {
  override readonly name = "RunError";
  constructor(readonly failure: RunFailure, options?: { cause?: unknown }) {
    super(failure.message, options);
  }
}
