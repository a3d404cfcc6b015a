/** The calls in a message, as a run finds and leaves them: pure. */
import type { RunEvent } from "../domain/event.ts";
import { isToolPart, type Part, toolNameOf, type ToolPart } from "../domain/message.ts";

/** A call with a yes or no that nothing has come of yet. */
export type RespondedCall = ToolPart & {
  approval: { id: string; approved: boolean; reason?: string };
};

/** True for a call with a yes or no that nothing has come of yet. */
export function isResponded(part: Part): part is RespondedCall {
  return isToolPart(part) && part.state === "approval-responded" &&
    part.approval?.approved !== undefined;
}

/** True for one with a no. */
export function isDenied({ state, approval }: ToolPart): boolean {
  return state === "approval-responded" && approval?.approved === false;
}

/** What comes of a no. */
export function deniedEvent(
  { toolCallId, approval }: Pick<ToolPart, "toolCallId" | "approval">,
): RunEvent {
  const { reason } = approval ?? {};
  return { type: "tool-output-denied", toolCallId, ...(reason !== undefined && { reason }) };
}

/** True for a call that the provider does not run itself. */
export function isOwnCall(part: Part): part is ToolPart {
  return isToolPart(part) && !part.providerExecuted;
}

/** True for such a call that has its input, and nothing more yet. */
export function isOpenCall(part: Part): part is ToolPart {
  return isOwnCall(part) && part.state === "input-available";
}

/** What comes of a call that did not run, or failed. */
export function failed({ toolCallId }: ToolPart, errorText: string): RunEvent {
  return { type: "tool-output-error", toolCallId, errorText };
}

/** The name that the model gave, as far as it is told. */
export function nameOf(part: ToolPart): string {
  return toolNameOf(part).slice(0, 100).toWellFormed();
}
