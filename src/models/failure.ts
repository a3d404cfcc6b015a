import {
  APICallError,
  JSONParseError,
  TypeValidationError,
  UnsupportedFunctionalityError,
} from "@ai-sdk/provider";
import { type FailureClass, RunError, type RunFailure } from "../domain/errors.ts";
import type { Json } from "../domain/json.ts";
import { troubleIn, type TroubleKind } from "../net/trouble.ts";
import type { Mask } from "../observe/mask.ts";
import type { ProviderProblem } from "./health.ts";
import { ErrorAnswer } from "./whole_answer.ts";
import { reasonIn, reasonOf } from "./reason.ts";

const CLASSES: Readonly<Record<TroubleKind, FailureClass>> = {
  unreachable: "provider_unavailable",
  redirected: "provider_refused",
  oversized: "provider_oversized",
};

/** The most characters of a provider's own words that are looked at, and that are shown. */
const MAX_HEARD = 2_000;
const MAX_SAID = 500;

/** Turns a failed provider request into a typed failure with a plain, masked message. */
export function providerFailure(error: unknown, provider: string, mask: Mask): RunFailure {
  if (error instanceof RunError) return error.failure;
  const name = `The provider "${provider}"`;
  const trouble = troubleIn(error);
  if (trouble) return runFailure(CLASSES[trouble.kind], `${name} ${trouble.message}.`);
  if (error instanceof ErrorAnswer) {
    return toldFailure(error.said, name, mask, "provider_refused");
  }
  if (APICallError.isInstance(error)) {
    const { statusCode, cause } = error;
    // The SDK's error for an event that tells of one.
    if (statusCode === undefined) return toldFailure(error.data ?? error.message, name, mask);
    if (statusCode >= 400) return statusFailure(error, statusCode, name, mask);
    // The SDK's error for a body that broke off or that it could not parse.
    return bodyFailure(cause, provider);
  }
  if (UnsupportedFunctionalityError.isInstance(error)) {
    const what = mask(error.functionality).slice(0, 500);
    return runFailure("provider_refused", `${name} does not support this: ${what}.`);
  }
  if (error instanceof Error) return bodyFailure(error, provider);
  return toldFailure(error, name, mask);
}

/** What a failure says about its provider, rather than about the request. */
export function problemOf(
  { class: kind, message }: RunFailure,
  error: unknown,
): Omit<ProviderProblem, "provider"> | undefined {
  if (kind === "provider_auth") return { kind: "key_refused", message };
  if (kind !== "provider_unavailable" && kind !== "provider_stalled") return undefined;
  const isUnreachable = troubleIn(error)?.kind === "unreachable";
  return { kind: isUnreachable ? "unreachable" : "failing", message };
}

function bodyFailure(cause: unknown, provider: string): RunFailure {
  return JSONParseError.isInstance(cause) || TypeValidationError.isInstance(cause)
    ? runFailure("provider_malformed", `The provider "${provider}" sent an invalid response.`)
    : runFailure("provider_cut", `The connection to the provider "${provider}" broke off.`);
}

function statusFailure(
  { message, responseBody = "", responseHeaders = {} }: APICallError,
  status: number,
  name: string,
  mask: Mask,
): RunFailure {
  const text = responseBody.slice(0, MAX_HEARD);
  const isAuth = status === 401 || status === 403;
  const kind = (isAuth ? undefined : classOf(text)) ?? classOfStatus(status);
  const reason = said(reasonIn(responseBody) || message, mask);
  const failure = runFailure(kind, `${name} ${VERBS[kind]} (${status})${reason && `: ${reason}`}`);
  return failure.retryable ? { ...failure, ...retryAfter(responseHeaders) } : failure;
}

/** An error in an answer, the provider's own object or text; `otherwise`: if its words do not class it. */
function toldFailure(
  error: unknown,
  name: string,
  mask: Mask,
  otherwise: ToldClass = "provider_unavailable",
): RunFailure {
  const text = typeof error === "string" ? error : JSON.stringify(error) ?? "";
  const kind = classOf(text.slice(0, MAX_HEARD)) ?? otherwise;
  const reason = said(typeof error === "string" ? reasonIn(error) : reasonOf(error as Json), mask);
  return runFailure(kind, `${name} ${VERBS[kind]}${reason && `: ${reason}`}`);
}

type ToldClass = keyof typeof VERBS;

/** What a provider did, by the class of its failure. */
const VERBS = {
  provider_auth: "refused the key",
  provider_rate_limited: "is rate-limiting requests",
  provider_refused: "refused the request",
  provider_unavailable: "failed",
} as const;

/** What the words of an error mean, whatever its status; the first that fits. */
const WORDS: readonly [RegExp, ToldClass][] = [
  [/insufficient_quota|current quota|billing|credit balance/i, "provider_refused"],
  [/context.?(length|window|size)|prompt is too long/i, "provider_refused"],
  [/rate.?limit|quota|too many requests|RESOURCE_EXHAUSTED/i, "provider_rate_limited"],
  [/authenticat|invalid.?api.?key|permission/i, "provider_auth"],
  [
    /invalid_request|INVALID_ARG|not supported?\b|unsupported|required for image/i,
    "provider_refused",
  ],
];

/** What a provider did, by its words; undefined if they do not tell. */
export function classOf(text: string): ToldClass | undefined {
  return WORDS.find(([words]) => words.test(text))?.[1];
}

function classOfStatus(status: number): ToldClass {
  if (status === 401 || status === 403) return "provider_auth";
  if (status === 429) return "provider_rate_limited";
  return status === 408 || status >= 500 ? "provider_unavailable" : "provider_refused";
}

/** A provider's words: cut before they are masked, and again behind what the first cut may have halved. */
function said(message: string, mask: Mask): string {
  return mask(message.slice(0, MAX_HEARD)).slice(0, MAX_SAID);
}

/** A failure by its class. A request that was refused would be refused again. */
export function runFailure(kind: FailureClass, message: string): RunFailure {
  const retryable = !["provider_auth", "provider_refused", "provider_oversized"].includes(kind);
  return { class: kind, message, retryable };
}

/** The delay that a response asks for: `retry-after-ms`, or seconds, or a date. */
function retryAfter(headers: Record<string, string>): { retryAfterMs?: number } {
  const { date = "", "retry-after": value = "", "retry-after-ms": exact = "" } = headers;
  const moment = Date.parse(value) - Date.parse(date);
  const ms = [parseFloat(exact), parseFloat(value) * 1000, moment].find(Number.isFinite);
  return ms === undefined ? {} : { retryAfterMs: Math.max(0, ms) };
}
