import type { FinishReason, RunEvent } from "../domain/event.ts";
import type { Part } from "../domain/message.ts";
import type { RunRecord } from "../domain/records.ts";

/** A step that is whole, and its parts. */
export interface WholeStep {
  run: RunRecord;
  finishReason: FinishReason;
  parts: Part[];
}

/**
 * Does what has to happen before the next step, such as running the tools that the model called, and
 * emits what comes of it. Resolves to false if the answer is whole.
 */
export type AfterStep = (
  step: WholeStep,
  signal: AbortSignal,
  emit: (event: RunEvent) => void,
) => Promise<boolean>;
