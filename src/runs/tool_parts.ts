/** Where the calls in a message stand: pure. */
import type { RunEvent } from "../domain/event.ts";
import { isToolPart, type Part, type ToolPart } from "../domain/message.ts";

/** A call with a yes or no that nothing has come of yet. */
export type RespondedCall = ToolPart & {
  approval: { id: string; approved: boolean; reason?: string };
};

/** True for a call with a yes or no that nothing has come of yet. */
export function isResponded(part: Part): part is RespondedCall {
  return isToolPart(part) && part.state === "approval-responded" &&
    part.approval?.approved !== undefined;
}

/** True for a call that the provider does not run itself. */
export function isOwnCall(part: Part): part is ToolPart {
  return isToolPart(part) && !part.providerExecuted;
}

/** True for such a call that has its input, and nothing more yet. */
export function isOpenCall(part: Part): part is ToolPart {
  return isOwnCall(part) && part.state === "input-available";
}

/** The event of a call that failed. */
export function failed({ toolCallId }: ToolPart, errorText: string): RunEvent {
  return { type: "tool-output-error", toolCallId, errorText };
}
