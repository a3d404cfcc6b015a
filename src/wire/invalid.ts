import { AppError, type Validation } from "../domain/errors.ts";

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
