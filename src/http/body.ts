/** Reads request bodies, up to a limit. */
import type { z } from "zod";
import { release } from "../domain/bytes.ts";
import { BodyReader } from "../domain/body_reader.ts";
import { type Clock, NOT_NEEDED } from "../domain/clock.ts";
import { AppError } from "../domain/errors.ts";
import { deepField, JsonExcess, MAX_DEPTH, parseJson } from "../domain/json.ts";
import { Pauses } from "../domain/pauses.ts";
import { badRequest, parseWith } from "../wire/validate.ts";
import type { HttpParts, RequestContext } from "./context.ts";
import { HttpError } from "./failure.ts";

/** The fewest bytes of a body that may come in so many milliseconds, unless they are the last. */
const LEAST = 64 * 1024;
const WINDOW = 12_000;

/** The most bytes to read at once. */
const CHUNK = 64 * 1024;

/** A body of at most this many bytes has all of its memory at once. */
const SMALL = 16 * 1024;

/** What reading a body takes. */
type BodyParts = Pick<HttpParts, "bodies" | "clock">;

/**
 * The JSON body of a request, parsed with the schema. `otherwise` stands for a missing body.
 * @throws {HttpError} 415 for another content type.
 * @throws {AppError} `too_large`, or `bad_request` if the body is not JSON, not UTF-8, nested too deep
 * or too wide, or not what the schema expects.
 */
export async function readBody<T>(
  c: RequestContext,
  parts: BodyParts & Pick<HttpParts, "limits">,
  schema: z.ZodType<T>,
  failure: string,
  otherwise?: T,
): Promise<T> {
  const refuse = (detail: string) => new AppError("bad_request", failure, { detail });
  const bytes = await readBytes(c, parts, parts.limits.bodyBytes);
  if (bytes.length === 0) {
    if (otherwise === undefined) throw refuse("Expected a JSON body, found none");
    return otherwise;
  }
  checkType(c.req.header("content-type"));
  const value = await parseJson(bytes).finally(() => release(bytes)).catch((error) => {
    if (error instanceof JsonExcess) {
      throw badRequest(failure, { field: "", detail: error.message });
    }
    if (error instanceof SyntaxError) throw refuse(`Expected JSON: ${error.message.slice(0, 200)}`);
    throw refuse("Expected JSON in UTF-8");
  });
  const pauses = new Pauses();
  const field = deepField(value);
  if (field !== undefined) {
    const detail = `Expected JSON that is nested at most ${MAX_DEPTH} deep`;
    throw badRequest(failure, { field, detail });
  }
  await pauses.next();
  return parseWith(schema, value, failure);
}

/**
 * The whole body, once there is room for it. `hono/body-limit` would copy a request of unknown length, and
 * copying one of Deno's server prints a warning about its signal.
 * @throws {AppError} `too_large` beyond `limit` bytes; `bad_request` if the client does not send all of it.
 * @throws {HttpError} 408 if it comes too slowly.
 */
export async function readBytes(
  c: RequestContext,
  { bodies, clock }: BodyParts,
  limit: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const { body, headers } = c.req.raw;
  const length = headers.get("content-length");
  const declared = length === null ? limit : Number(length);
  if (declared > limit) throw tooLarge(limit);
  if (!body || declared === 0) return new Uint8Array();
  c.set("handled", await bodies.enter(c.var.principal.id, declared));
  const reader = new BodyReader(body, Math.min(CHUNK, declared));
  // A body that is there as a whole would be read without a look at anything else.
  const pauses = new Pauses();
  // One that grows takes memory only as the bytes come, and 0.1 ms for the system to map it.
  const read = declared > SMALL
    ? new ArrayBuffer(0, { maxByteLength: declared })
    : new ArrayBuffer(declared);
  let at = 0;
  const pace = watchPace(clock, () => at, () => reader.cancel());
  try {
    for (;;) {
      const chunk = await reader.read();
      if (pace.isSlow()) throw tooSlow();
      if (!chunk) break;
      if (at + chunk.length > declared) throw tooLarge(limit);
      if (read.resizable) read.resize(at + chunk.length);
      new Uint8Array(read).set(chunk, at);
      at += chunk.length;
      await pauses.next();
    }
  } catch (error) {
    // Garbage collection would be too late for many of these.
    read.transfer(0);
    await reader.cancel().catch(() => {});
    if (error instanceof AppError || error instanceof HttpError) throw error;
    throw cutShort();
  } finally {
    pace.close();
  }
  if (length !== null && at < declared) throw cutShort();
  return new Uint8Array(read.transferToFixedLength(at));
}

/** Calls `onSlow` once fewer than `LEAST` bytes come in a `WINDOW`. */
function watchPace(clock: Clock, size: () => number, onSlow: () => Promise<void>) {
  const over = new AbortController();
  let isSlow = false;
  const watch = async (before: number): Promise<void> => {
    await clock.sleep(WINDOW, over.signal);
    const now = size();
    if (now - before >= LEAST) return await watch(now);
    isSlow = true;
    await onSlow();
  };
  watch(0).catch(() => {});
  return { isSlow: () => isSlow, close: () => over.abort(NOT_NEEDED) };
}

function tooSlow(): HttpError {
  return new HttpError(408, "The request body came too slowly", {
    detail: `Expected at least ${LEAST} bytes in ${WINDOW / 1_000} s.`,
    headers: { connection: "close" },
  });
}

function cutShort(): AppError {
  return new AppError("bad_request", "The request body ended too early");
}

function tooLarge(limit: number): AppError {
  return new AppError("too_large", "The request body is too large", {
    detail: `Expected at most ${limit} bytes.`,
    validations: [{ field: "", detail: `Expected at most ${limit} bytes` }],
  });
}

function checkType(type: string | undefined): void {
  if (type === undefined || /^application\/([\w.+-]+\+)?json\s*(;|$)/i.test(type)) return;
  throw new HttpError(415, "Unsupported content type", {
    detail: `Expected application/json, found ${type.slice(0, 100)}`,
  });
}
