import type { LoggedEvent } from "../domain/event.ts";

/** A wire protocol for a run's events. Pure: the same event always gives the same text. */
export interface WireEncoder {
  /** Response headers. */
  readonly headers: Readonly<Record<string, string>>;
  /** Sent after a silence; clients ignore it. */
  readonly keepAlive: string;
  /** Sent after the last event. */
  readonly end: string;
  /** An event of that run as whole frames; empty if the protocol cannot express it. */
  encode(event: LoggedEvent, runId: string): string;
}
