/** What runs and their readers do while the database is away: they wait. */
import { AppError } from "../domain/errors.ts";
import { patiently } from "../domain/patience.ts";
import type { Parts } from "./parts.ts";

/** How long the reader of a log waits for a database that is away, in milliseconds. */
const READER = 60_000;

/** True if the database cannot be reached for a moment, or is locked. */
export function isAway(error: unknown): boolean {
  return error instanceof AppError && error.code === "unavailable";
}

/** What a run's work gives, which is tried again while the database is away, until its lease ends. */
export function whileHeld<T>(
  runId: string,
  work: () => Promise<T>,
  { ownership, clock }: Pick<Parts, "ownership" | "clock">,
  signal: AbortSignal,
): Promise<T> {
  const until = (error: unknown) => isAway(error) ? clock.elapsed() + ownership.left(runId) : 0;
  return patiently(work, { until, clock, signal });
}

/** What a reader's work gives, which is tried again while the database is away. */
export function whileAway<T>(work: () => Promise<T>, clock: Parts["clock"]): Promise<T> {
  const end = clock.elapsed() + READER;
  return patiently(work, { until: (error) => isAway(error) ? end : 0, clock });
}
