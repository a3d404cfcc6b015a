import type { z } from "zod";
import { AppError, type Validation } from "../domain/errors.ts";
import { validate } from "./validate.ts";

/** What the seed's server says of a message that it cannot read. */
export const DECODE_FAILURE = "Failed to decode chat message";

/** The error for a message with these wrong fields. */
export function invalidMessage(validations: Validation[]): AppError {
  const first = validations[0]!;
  return new AppError("bad_request", DECODE_FAILURE, {
    detail: `${first.field}: ${first.detail}`,
    validations,
  });
}

/**
 * The value of a field as the schema has it.
 * @throws {AppError} `bad_request` with each wrong field in it.
 */
export function parseField<T>(schema: z.ZodType<T>, value: unknown, field: string): T {
  const validated = validate(schema, value);
  if ("data" in validated) return validated.data;
  throw invalidMessage(
    validated.issues.map(({ path, message }) => ({
      field: [field, ...path].join("."),
      detail: message,
    })),
  );
}
