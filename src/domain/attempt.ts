import type { FailureClass } from "./errors.ts";
import { endOf } from "./run.ts";
import { NO_USAGE, type Usage } from "./usage.ts";

/** What a request to a provider was for. */
export type AttemptKind = "answer" | "title" | "retry";

/** One request to a provider, as the ledger opens it before the request goes out. */
export interface Attempt {
  id: string;
  /** Null for a title, which belongs to a chat and to no run. */
  runId: string | null;
  chatId: string;
  ownerId: string;
  kind: AttemptKind;
  provider: string;
  model: string;
  /** Milliseconds since the Unix epoch. */
  startedAt: number;
}

/** How an attempt ended. */
export interface AttemptEnd {
  outcome: "completed" | "stopped" | "interrupted" | "failed";
  failureClass: FailureClass | null;
  /** Milliseconds from the start to the first content; null where none came. */
  firstTokenMs: number | null;
  endedAt: number;
  usage: Usage;
}

/** How an attempt is closed whose end nobody saw: it was paid for, and nobody will say how much any more. */
export function interruptedEnd(endedAt: number, usage?: Usage): AttemptEnd {
  return {
    outcome: endOf("interrupt"),
    failureClass: null,
    firstTokenMs: null,
    endedAt,
    usage: usage ?? { ...NO_USAGE, estimated: true },
  };
}
