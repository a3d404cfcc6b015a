/** A value as somebody gave it, and errors that tell what is wrong with it. */
import type { z } from "zod";
import { UsageError } from "../domain/errors.ts";

/** The sources of the configuration. */
export interface ConfigSources {
  /** Flags by name, without dashes. */
  flags: Record<string, string | undefined>;
  env: Record<string, string | undefined>;
  readFile: (path: string) => string;
}

/** A value with its origin. */
export interface Given {
  value: unknown;
  /** Its name in errors: a flag, a variable, or a key of the file. */
  name: string;
  /** Where it comes from: a flag, a variable, or a line of the file. */
  source: string;
  /** The variable that holds it, if any. */
  variable?: string;
  /** True if it is in the file, whose line errors then name. */
  inFile?: true;
}

/** Checks a value. @throws {UsageError} that names it, what was expected and, unless secret, found. */
export function check<T>(
  given: Given,
  schema: z.ZodType<T>,
  expected: string,
  isSecret = false,
): T {
  const parsed = schema.safeParse(given.value);
  if (parsed.success) return parsed.data;
  const found = isSecret || isReference(given) ? "something else" : shown(given.value);
  throw invalid(given, customReason(parsed.error.issues) ?? `${expected}, found ${found}`);
}

/** True for a value that the file only refers to: the variable may be secret. */
export function isReference({ inFile, variable }: Given): boolean {
  return inFile === true && variable !== undefined;
}

/** The error for a value; `rest` begins with what was expected. */
export function invalid({ name, source, inFile }: Given, rest: string): UsageError {
  return new UsageError(`Invalid ${name}: expected ${rest}${inFile ? ` (${source})` : ""}`);
}

/** What a schema says in its own words; it never repeats a secret. */
function customReason(issues: readonly z.core.$ZodIssue[]): string | undefined {
  for (const issue of issues) {
    if (issue.code === "custom" && issue.message !== "Invalid input") return issue.message;
    const inner = issue.code === "invalid_union" ? customReason(issue.errors.flat()) : undefined;
    if (inner !== undefined) return inner;
  }
  return undefined;
}

/** A value for an error: cut, and without what could be the user, password or query of a URL. */
export function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  const bare = text.replace(/^.*@/s, '"…@').replace(/[?#].*$/s, '?…"');
  return bare.length > 120 ? `${bare.slice(0, 120)}…` : bare;
}

/** The known name that was probably meant, as the end of a sentence; empty if none is near. */
export function meant(name: string, known: Iterable<string>, prefix = ""): string {
  let [best, least] = ["", Math.max(2, Math.floor(name.length / 4)) + 1];
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase(), least);
    if (distance < least) [best, least] = [candidate, distance];
  }
  return best === "" ? "" : `: did you mean ${prefix}${best}?`;
}

/** How many letters to add, remove, replace or swap to make `a` into `b`; `limit` or more if many. */
function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit;
  let [before, last]: number[][] = [[], Array.from({ length: b.length + 1 }, (_, i) => i)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const isSame = a[i - 1] === b[j - 1];
      row[j] = Math.min(last![j]! + 1, row[j - 1]! + 1, last![j - 1]! + (isSame ? 0 : 1));
      const isSwap = a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      if (isSwap && before![j - 2] !== undefined) row[j] = Math.min(row[j]!, before![j - 2]! + 1);
    }
    [before, last] = [last, row];
  }
  return last![b.length]!;
}
