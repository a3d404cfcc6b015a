import type { z } from "zod";

/** A value as a schema has it, or what is wrong with it. */
export type Validated<T> = { data: T } | { issues: z.core.$ZodIssue[] };

/** How many issues are told of one value. */
const MAX_ISSUES = 20;

/** Whether a value out of JSON is as the schema says. */
export function validate<T>(schema: z.ZodType<T>, value: unknown): Validated<T> {
  const parsed = safeParse(schema, value);
  return parsed.success
    ? { data: parsed.data }
    : { issues: parsed.error.issues.slice(0, MAX_ISSUES) };
}

/**
 * zod compares the `length` of what should be a text or a list, even of an object, and an object can
 * have one that throws when it is compared. Without it, the object is refused for what it is.
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
