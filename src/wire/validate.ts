/** Checks JSON values against schemas, and names the invalid fields. */
import { z } from "zod";
import { AppError, type Validation } from "../domain/errors.ts";
import { isJsonObject, type JsonObject } from "../domain/json.ts";

/** The AgenticChat server's message for one it cannot decode. */
export const DECODE_FAILURE = "Failed to decode chat message";

/** The most issues reported for one value, and the longest text of one: names are the client's own. */
const MAX_ISSUES = 20;
const MAX_TEXT = 500;

/** The error for a request with these invalid fields, at least one. */
export function badRequest(message: string, ...invalid: Validation[]): AppError {
  const validations = invalid.map(({ field, detail }) => (
    { field: field.slice(0, MAX_TEXT), detail: detail.slice(0, MAX_TEXT) }
  ));
  const { field, detail } = validations[0]!;
  return new AppError("bad_request", message, {
    detail: field === "" ? detail : `${field}: ${detail}`,
    validations,
  });
}

/** The error for a message with an invalid field. */
export function invalidMessage(field: string, detail: string): AppError {
  return badRequest(DECODE_FAILURE, { field, detail });
}

/** An object with any keys. Unlike a record of zod, it is not copied key by key. */
export const objectSchema = z.unknown()
  .refine(isJsonObject, { error: "Expected an object", abort: true })
  .meta({ type: "object", additionalProperties: {} }) as unknown as z.ZodType<JsonObject>;

/** The longest name, unless a schema says otherwise. */
const NAME_LENGTH = 200;

/** Well-formed text without control characters. */
// deno-lint-ignore no-control-regex
const NAME = /^[^\u0000-\u001f\u007f-\u009f\ud800-\udfff]*$/u;

/**
 * A name that a client gives: an id, a title, a type. Names are compared here and kept by SQLite, so
 * they must come back from there as they were, and none may disturb a log.
 */
export function nameSchema(length = NAME_LENGTH): z.ZodString {
  return z.string().max(length, { error: `Expected at most ${length} characters` })
    .regex(NAME, { error: "Expected well-formed text without control characters", abort: true });
}

/**
 * Parses a value with the schema.
 * @throws {AppError} `bad_request` that names each invalid field, such as `tools.3.name`.
 */
export function parseWith<T>(
  schema: z.ZodType<T>,
  value: unknown,
  failure: string,
  field: readonly string[] = [],
): T {
  const parsed = safeParse(schema, value);
  if (parsed.success) return parsed.data;
  throw badRequest(
    failure,
    ...parsed.error.issues.slice(0, MAX_ISSUES).map(({ path, message }) => ({
      field: [...field, ...path].join("."),
      detail: message,
    })),
  );
}

/**
 * Parses a field of a message with the schema.
 * @throws {AppError} `bad_request` that names each invalid field.
 */
export function parseField<T>(schema: z.ZodType<T>, value: unknown, field: string): T {
  return parseWith(schema, value, DECODE_FAILURE, [field]);
}

/**
 * If it expects a string or a list, zod compares `length` even on an object, whose `length` may throw
 * when compared. Without its `length`, the object is rejected for its type.
 */
function safeParse<T>(schema: z.ZodType<T>, value: unknown) {
  try {
    return schema.safeParse(value);
  } catch (error) {
    const parsed = schema.safeParse(withoutLengths(value));
    if (parsed.success) throw error;
    return parsed;
  }
}

function withoutLengths(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value), (key, child) => key === "length" ? undefined : child);
}
