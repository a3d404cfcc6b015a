import type { FailureClass } from "./errors.ts";
import { endOf } from "./run.ts";
import { NO_USAGE, type Usage } from "./usage.ts";

/** The purpose of a request to a provider. */
export type AttemptKind = "answer" | "title" | "retry";

/** One request to a provider, recorded in the ledger before it is sent. */
export interface Attempt {
  id: string;
  /** Null for a title, which belongs to a chat, not to a run. */
  runId: string | null;
  chatId: string;
  ownerId: string;
  kind: AttemptKind;
  provider: string;
  model: string;
  /** Milliseconds since the Unix epoch. */
  startedAt: number;
  /** An estimate of what is asked: it stays if the process is gone before the attempt is closed. */
  promptTokens: number;
}

/** How an attempt ended. */
export interface AttemptEnd {
  outcome: "completed" | "stopped" | "interrupted" | "failed";
  failureClass: FailureClass | null;
  /** Milliseconds from the start to the first content; null if none came. */
  firstTokenMs: number | null;
  endedAt: number;
  usage: Usage;
}

/** The end of an attempt whose process is gone: without `usage`, no output is known. */
export function interruptedEnd(endedAt: number, usage?: Usage): AttemptEnd {
  return {
    outcome: endOf("interrupt"),
    failureClass: null,
    firstTokenMs: null,
    endedAt,
    usage: usage ?? { ...NO_USAGE, estimated: true },
  };
}
