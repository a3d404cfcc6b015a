/** Policies for runs, set by the configuration or a request. */

/** What to do with a message while its chat has a live run. */
export const BUSY_POLICIES = ["reject", "queue", "interrupt"] as const;
export type BusyPolicy = (typeof BUSY_POLICIES)[number];

/** What to do with a run whose process died: mark it, or continue it. */
export const INTERRUPT_POLICIES = ["mark", "continue"] as const;
export type InterruptPolicy = (typeof INTERRUPT_POLICIES)[number];

/**
 * Whether to store an event before or right after publishing it. `after` saves the round trip to a
 * remote database, but a crash can lose what was shown meanwhile. Endings are always stored first.
 */
export const LOG_DURABILITIES = ["before", "after"] as const;
export type LogDurability = (typeof LOG_DURABILITIES)[number];

/** What to do with the queue if the live run is stopped: hold it until the next send, or go on. */
export const QUEUE_ON_STOP = ["hold", "go_on"] as const;
export type QueueOnStop = (typeof QUEUE_ON_STOP)[number];

/**
 * Which URLs of files no provider is asked to fetch: those of this machine and its neighbours, those of
 * any private network as well, or none.
 */
export const REFUSED_URLS = ["local", "private", "none"] as const;
export type RefusedUrls = (typeof REFUSED_URLS)[number];
