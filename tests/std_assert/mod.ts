/**
 * The part of `@std/assert` that Parley's tests use, over `node:assert`, under that package's own
 * name, so that the tests run where JSR is out of reach. See the README beside this file.
 */
import nodeAssert, { AssertionError } from "node:assert";

export { AssertionError };

/** Throws unless `value` is truthy. */
export function assert(value: unknown, message?: string): asserts value {
  nodeAssert.ok(value, message);
}

/** Throws unless both are deeply and strictly equal. */
export function assertEquals<T>(actual: T, expected: T, message?: string): void {
  nodeAssert.deepStrictEqual(actual, expected, message);
}

/** Throws if both are deeply and strictly equal. */
export function assertNotEquals<T>(actual: T, expected: T, message?: string): void {
  nodeAssert.notDeepStrictEqual(actual, expected, message);
}

/** Throws unless both are the same value, by `Object.is`. */
export function assertStrictEquals<T>(actual: unknown, expected: T, message?: string): void {
  nodeAssert.strictEqual(actual, expected, message);
}

/** Throws if `value` is null or undefined. */
export function assertExists<T>(value: T, message?: string): asserts value is NonNullable<T> {
  nodeAssert.ok(
    value !== null && value !== undefined,
    message ?? `Expected a value, found ${value}`,
  );
}

/** Throws unless `actual` matches `expected`. */
export function assertMatch(actual: string, expected: RegExp, message?: string): void {
  nodeAssert.match(actual, expected, message);
}

/** Throws if `actual` matches `expected`. */
export function assertNotMatch(actual: string, expected: RegExp, message?: string): void {
  nodeAssert.doesNotMatch(actual, expected, message);
}

/** Throws unless `actual` contains `expected`. */
export function assertStringIncludes(actual: string, expected: string, message?: string): void {
  nodeAssert.ok(
    actual.includes(expected),
    message ?? `Expected ${JSON.stringify(actual)} to include ${JSON.stringify(expected)}`,
  );
}

/** Throws unless `low <= actual`. */
export function assertGreaterOrEqual(actual: number, low: number, message?: string): void {
  nodeAssert.ok(actual >= low, message ?? `Expected ${actual} to be at least ${low}`);
}

/** Throws unless `actual <= high`. */
export function assertLessOrEqual(actual: number, high: number, message?: string): void {
  nodeAssert.ok(actual <= high, message ?? `Expected ${actual} to be at most ${high}`);
}

// deno-lint-ignore no-explicit-any
type ErrorClass<E extends Error> = abstract new (...args: any[]) => E;

/** Throws unless `fn` throws an `ErrorClass` whose message includes `messageIncludes`. */
export function assertThrows<E extends Error = Error>(
  fn: () => unknown,
  ErrorClass: ErrorClass<E> = Error as unknown as ErrorClass<E>,
  messageIncludes = "",
): E {
  try {
    fn();
  } catch (error) {
    return expectError(error, ErrorClass, messageIncludes);
  }
  throw new AssertionError({ message: "Expected function to throw" });
}

/** Throws unless the promise of `fn` rejects with an `ErrorClass` whose message includes `messageIncludes`. */
export async function assertRejects<E extends Error = Error>(
  fn: () => PromiseLike<unknown>,
  ErrorClass: ErrorClass<E> = Error as unknown as ErrorClass<E>,
  messageIncludes = "",
): Promise<E> {
  try {
    await fn();
  } catch (error) {
    return expectError(error, ErrorClass, messageIncludes);
  }
  throw new AssertionError({ message: "Expected function to reject" });
}

function expectError<E extends Error>(
  error: unknown,
  ErrorClass: ErrorClass<E>,
  messageIncludes: string,
): E {
  nodeAssert.ok(
    error instanceof ErrorClass,
    `Expected error of ${ErrorClass.name}, found ${
      error instanceof Error ? error.stack : String(error)
    }`,
  );
  assertStringIncludes(error.message, messageIncludes);
  return error;
}
