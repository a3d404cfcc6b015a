import { type Schema, Validator } from "@cfworker/json-schema";
import type { RunFailure } from "../domain/errors.ts";
import type { OutputFormat } from "../domain/tool.ts";

/** What is wrong with an answer that had to be JSON; undefined where it is right. */
export function outputFailure(text: string, { schema }: OutputFormat): RunFailure | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return failure("it is not JSON");
  }
  const { valid, errors } = new Validator(schema as Schema, "2020-12").validate(value);
  if (valid) return undefined;
  const { instanceLocation, error } = errors.at(-1)!;
  return failure(`${instanceLocation.replace(/^#/, "") || "the whole"}: ${error}`);
}

function failure(reason: string): RunFailure {
  return {
    class: "invalid_output",
    message: `The answer does not match the response_format: ${reason}`,
    retryable: true,
  };
}
