import {
  APICallError,
  JSONParseError,
  TypeValidationError,
  UnsupportedFunctionalityError,
} from "@ai-sdk/provider";
import { type FailureClass, RunError, type RunFailure } from "../domain/errors.ts";
import type { Mask } from "../observe/mask.ts";

/** What a failed request to a provider means: typed, in plain words, masked. */
export function providerFailure(error: unknown, provider: string, mask: Mask): RunFailure {
  if (error instanceof RunError) return error.failure;
  if (APICallError.isInstance(error)) return apiFailure(error, provider, mask);
  if (JSONParseError.isInstance(error) || TypeValidationError.isInstance(error)) {
    return {
      class: "provider_malformed",
      message: `The provider "${provider}" sent something that is not its protocol.`,
      retryable: true,
    };
  }
  if (UnsupportedFunctionalityError.isInstance(error)) {
    const text = `The provider "${provider}" cannot take this: ${error.functionality}.`;
    return failure("provider_refused", text, false);
  }
  if (error instanceof Error) return cutFailure(provider);
  return streamedFailure(error, provider, mask);
}

function apiFailure(error: APICallError, provider: string, mask: Mask): RunFailure {
  const status = error.statusCode;
  const name = `The provider "${provider}"`;
  if (status === undefined) {
    return failure("provider_unavailable", `${name} cannot be reached.`, true);
  }
  if (status < 400) {
    // What the SDK makes of a body that broke off, or that it could not read.
    const { cause } = error;
    const unread = JSONParseError.isInstance(cause) || TypeValidationError.isInstance(cause);
    if (!unread) return cutFailure(provider);
    return failure("provider_malformed", `${name} sent something that is not its protocol.`, true);
  }
  if (status === 401 || status === 403) {
    return failure("provider_auth", `${name} refused the key (${status}).`, false);
  }
  if (status === 429) {
    const retryAfterMs = retryAfter(error.responseHeaders ?? {});
    return {
      ...failure("provider_rate_limited", `${name} is limiting requests (429).`, true),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    };
  }
  if (status === 408 || status >= 500) {
    const retryAfterMs = retryAfter(error.responseHeaders ?? {});
    return {
      ...failure("provider_unavailable", `${name} failed (${status}).`, true),
      ...(retryAfterMs !== undefined && { retryAfterMs }),
    };
  }
  const said = mask(error.message).slice(0, 500);
  return failure("provider_refused", `${name} refused the request (${status}): ${said}`, false);
}

function cutFailure(provider: string): RunFailure {
  return failure("provider_cut", `The connection to the provider "${provider}" broke off.`, true);
}

/** An error inside a stream that began well: the provider's own object or text. */
function streamedFailure(error: unknown, provider: string, mask: Mask): RunFailure {
  const text = typeof error === "string" ? error : JSON.stringify(error) ?? "";
  const name = `The provider "${provider}"`;
  if (/rate.?limit|quota|RESOURCE_EXHAUSTED/i.test(text)) {
    return failure("provider_rate_limited", `${name} is limiting requests.`, true);
  }
  if (/authenticat|invalid.?api.?key|permission/i.test(text)) {
    return failure("provider_auth", `${name} refused the key.`, false);
  }
  if (/invalid_request|context.?length|INVALID_ARGUMENT/i.test(text)) {
    const said = mask(messageOf(error)).slice(0, 500);
    return failure("provider_refused", `${name} refused the request: ${said}`, false);
  }
  return failure("provider_unavailable", `${name} failed in the middle of the answer.`, true);
}

function messageOf(error: unknown): string {
  if (typeof error === "string") return error;
  const value = error as { message?: unknown; error?: { message?: unknown } } | null;
  const message = value?.message ?? value?.error?.message;
  return typeof message === "string" ? message : "no reason given";
}

function failure(kind: FailureClass, message: string, retryable: boolean): RunFailure {
  return { class: kind, message, retryable };
}

/** The wait that a response asks for, in milliseconds: `retry-after-ms`, or seconds, or a date. */
function retryAfter(headers: Record<string, string>): number | undefined {
  const ms = Number(headers["retry-after-ms"]);
  if (headers["retry-after-ms"] !== undefined && Number.isFinite(ms)) return Math.max(0, ms);
  const value = headers["retry-after"];
  if (value === undefined) return undefined;
  const seconds = Number(value);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000);
  const date = Date.parse(value);
  const sent = Date.parse(headers["date"] ?? "");
  return Number.isNaN(date) || Number.isNaN(sent) ? undefined : Math.max(0, date - sent);
}
