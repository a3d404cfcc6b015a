import type { LoggedEvent } from "../domain/event.ts";

/** A protocol in which a run's events are sent. Pure: the same event always gives the same text. */
export interface WireEncoder {
  /** The headers of a response that carries it. */
  readonly headers: Readonly<Record<string, string>>;
  /** Sent when nothing else was for a while; clients ignore it. */
  readonly keepAlive: string;
  /** Sent after the last event. */
  readonly end: string;
  /** The event as whole frames; empty where the protocol has no word for it. */
  encode(event: LoggedEvent): string;
}
