/** The errors that can end a request or a run. */
import type { Usage } from "./usage.ts";

/** What went wrong with a request; `src/http/failure.ts` maps each code to an HTTP status. */
export type ErrorCode =
  | "bad_request"
  | "not_found"
  | "conflict"
  | "gone"
  | "too_large"
  | "unprocessable"
  | "too_many_requests"
  | "internal"
  | "bad_gateway"
  | "unavailable"
  | "storage_full"
  | "storage_failed";

/** An invalid field of a request, in Coder's shape. */
export interface Validation {
  field: string;
  detail: string;
}

/** The optional properties of an `AppError`. */
export interface AppErrorOptions {
  /** More for the reader: never a secret or a stack trace. */
  detail?: string | undefined;
  validations?: Validation[] | undefined;
  /** Seconds to wait before trying again; sent as `Retry-After`. */
  retryAfter?: number | undefined;
  /** Response headers that belong to this error, such as `Allow`. */
  headers?: Record<string, string> | undefined;
  cause?: unknown;
}

/** An error that a client may see: its message and detail are safe to send. */
export class AppError extends Error {
  override readonly name = "AppError";
  readonly detail: string | undefined;
  readonly validations: Validation[] | undefined;
  readonly retryAfter: number | undefined;
  readonly headers: Record<string, string> | undefined;

  constructor(readonly code: ErrorCode, message: string, options: AppErrorOptions = {}) {
    super(message, { cause: options.cause });
    this.detail = options.detail;
    this.validations = options.validations;
    this.retryAfter = options.retryAfter;
    this.headers = options.headers;
  }
}

/** A call that took too long. It goes on, and may still succeed. */
export class LateError extends AppError {
  /** `settled` resolves once the call has succeeded or failed, if it ever does. */
  constructor(message: string, options: AppErrorOptions, readonly settled: Promise<void>) {
    super("unavailable", message, options);
  }
}

/** The process is shutting down. */
export function shuttingDown(): AppError {
  return new AppError("unavailable", "Parley is shutting down", { retryAfter: 5 });
}

/** A mistake of whoever starts the program: one line on standard error and exit code 2. */
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
  | "provider_oversized"
  | "invalid_output"
  | "prompt_too_large"
  | "tool_limit"
  | "deadline"
  | "storage"
  | "internal";

/** The typed end of a failed run. */
export interface RunFailure {
  class: FailureClass;
  /** For the user: masked, one sentence. */
  message: string;
  /** True if the same request may well succeed later. */
  retryable: boolean;
  /** Milliseconds that the provider asked to wait. */
  retryAfterMs?: number;
}

/** Thrown inside a run to end it as failed. */
export class RunError extends Error {
  override readonly name = "RunError";
  /** What the provider counted for the request that failed, if it did. */
  readonly usage: Usage | undefined;

  constructor(readonly failure: RunFailure, options: { cause?: unknown; usage?: Usage } = {}) {
    super(failure.message, options);
    this.usage = options.usage;
  }
}
