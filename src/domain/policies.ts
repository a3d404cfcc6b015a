/** Choices that a configuration or a request makes for runs. */

/** What to do with a message while its chat has a live run. */
export const BUSY_POLICIES = ["reject", "queue", "interrupt"] as const;
export type BusyPolicy = (typeof BUSY_POLICIES)[number];

/** What to do with a run that its process left behind: mark it, or go on with it. */
export const INTERRUPT_POLICIES = ["mark", "continue"] as const;
export type InterruptPolicy = (typeof INTERRUPT_POLICIES)[number];

/**
 * Whether an event is stored before it is published, or right after: over a slow line to a remote
 * database that saves the round trip, and may cost what was shown within it. Endings are always
 * stored first.
 */
export const LOG_DURABILITIES = ["before", "after"] as const;
export type LogDurability = (typeof LOG_DURABILITIES)[number];
