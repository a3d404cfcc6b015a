/** What clients see of an answer that is not complete, in its metadata or its annotations: `run`. */
import { z } from "zod";
import type { RunFailure } from "../domain/errors.ts";
import type { MessageStatus } from "../domain/message.ts";

/** How an answer ended that is not complete. */
export const runMarkSchema = z.strictObject({
  status: z.enum(["stopped", "interrupted", "failed"]),
  reason: z.string().meta({ description: "The status, or the class of the failure." }),
  message: z.string().meta({ description: "A sentence for the user." }),
  retryable: z.boolean().meta({ description: "True if the same message may well be answered." }),
});

const markSchema = z.strictObject({ run: runMarkSchema });

/** What ended an answer, if no failure says so. */
const REASONS = {
  stopped: "The answer was stopped.",
  interrupted: "Parley ended while it made this answer.",
  failed: "The answer failed.",
};

/** How an answer ended. */
interface AnswerEnd {
  status: MessageStatus;
  failure?: RunFailure | null | undefined;
}

/** The mark of an answer; empty if it is complete. */
export function unfinished(
  { status, failure }: AnswerEnd,
): { run?: z.infer<typeof runMarkSchema> } {
  if (status === "completed") return {};
  const { class: reason, message, retryable } = failure ??
    { class: status, message: REASONS[status], retryable: true };
  return { run: { status, reason, message, retryable } };
}

/** True for the annotation of an answer that is not complete, as opposed to a client's own. */
export function isMark(annotation: unknown): boolean {
  return markSchema.safeParse(annotation).success;
}

/** A client's metadata without the mark. */
export function unmarked({ run, ...rest }: Record<string, unknown>): object {
  return run === undefined || isMark({ run }) ? rest : { ...rest, run };
}
