/** What becomes of the calls of a run that its process left: pure. */
import { callHash, type JournaledCall, type PausedRequest } from "../domain/approval.ts";
import type { RunEvent } from "../domain/event.ts";
import { isJsonObject, type JsonObject } from "../domain/json.ts";
import { isToolPart, type Part, toolNameOf, type ToolPart } from "../domain/message.ts";
import type { RunRecord } from "../domain/records.ts";
import { deniedEvent } from "./call_parts.ts";

/** What the calls are asked for anew with. */
interface Renewal {
  /** The stored key of the answer. */
  key: string;
  now: number;
  approvalMs: number;
  newId: () => string;
  /** The ids of the calls of tools that this server runs. */
  serverCalls: ReadonlySet<string>;
}

/** The events that say what became of the calls, and the calls that wait for a yes. */
export interface LeftCalls {
  events: RunEvent[];
  asked: JournaledCall[];
}

const ENDED = "Parley ended while this call ran.";
const NOT_RUN = "Parley ended before this call ran.";

/**
 * A call that may have run is not run again: it is asked for anew, unless it may run twice; so is one
 * that was approved and not begun. What waited for a yes still does.
 */
export function leftCalls(
  run: RunRecord,
  journal: readonly JournaledCall[],
  parts: readonly Part[],
  renewal: Renewal,
): LeftCalls {
  const left: LeftCalls = { events: [], asked: [] };
  const calls = parts.filter(isToolPart);
  for (const call of journal) {
    const part = calls.findLast(({ toolCallId }) => toolCallId === call.toolCallId);
    if (part && isOver(part)) continue;
    const { toolCallId, tool: toolName, input } = call;
    if (!part || part.state === "input-streaming") {
      left.events.push({ type: "tool-input", toolCallId, toolName, input });
    }
    if (call.state === "denied") left.events.push(deniedEvent(part ?? { toolCallId }));
    else if (call.state === "running" && call.isRepeatable) {
      left.events.push({ type: "tool-output-error", toolCallId, errorText: ENDED });
    } else if (call.state === "running" || call.state === "approved") {
      const again = { ...call, id: renewal.newId(), isInDoubt: call.state === "running" };
      left.asked.push(renewed(again, renewal));
      left.events.push({ type: "tool-approval-request", toolCallId, approvalId: again.id });
    }
  }
  const known = new Set(journal.flatMap(({ id, toolCallId }) => [id, toolCallId]));
  for (const part of calls) {
    const { state, approval, input, toolCallId } = part;
    const isOurs = renewal.serverCalls.has(toolCallId) && !known.has(toolCallId);
    if (state === "input-available" && isOurs) {
      left.events.push({ type: "tool-output-error", toolCallId, errorText: NOT_RUN });
    }
    if (state !== "approval-requested" || !approval || known.has(approval.id)) continue;
    if (!isJsonObject(input)) continue;
    left.asked.push(askedFor(part, approval.id, input as JsonObject, run, renewal));
  }
  return left;
}

function isOver({ state }: ToolPart): boolean {
  return ["output-available", "output-error", "output-denied", "approval-requested"]
    .includes(state);
}

function renewed(
  call: JournaledCall,
  { key, now, approvalMs }: Renewal,
): JournaledCall {
  return {
    ...call,
    state: "asked",
    messageKey: key,
    createdAt: now,
    expiresAt: now + approvalMs,
  };
}

/** A call whose approval clients have seen, and that was not stored with the end of its run. */
function askedFor(
  part: ToolPart,
  id: string,
  input: JsonObject,
  run: RunRecord,
  renewal: Renewal,
): JournaledCall {
  const tool = toolNameOf(part);
  return renewed(
    {
      id,
      runId: run.id,
      chatId: run.chatId,
      ownerId: run.ownerId,
      messageId: run.messageId,
      messageKey: renewal.key,
      toolCallId: part.toolCallId,
      tool,
      input,
      hash: callHash(tool, input),
      state: "asked",
      isRepeatable: false,
      isInDoubt: false,
      createdAt: renewal.now,
      expiresAt: renewal.now,
      request: requestOf(run),
      question: null,
      answers: {},
    },
    renewal,
  );
}

function requestOf({ model, protocol }: RunRecord): PausedRequest {
  return { model, protocol, thinking: false, tools: [], output: null, unattended: "ask" };
}
