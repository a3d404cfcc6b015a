/** What a message that was sent means for its chat: pure. */
import type { ApprovalAnswer } from "../domain/approval.ts";
import { AppError } from "../domain/errors.ts";
import type { JsonObject } from "../domain/json.ts";
import { isAsked, isToolPart, type Part, type ToolPart } from "../domain/message.ts";
import type { RunBeginning, StoredMessage } from "../domain/records.ts";
import { isOpenCall, isResponded } from "./call_parts.ts";
import { movedOn } from "./refusals.ts";

/** A message as it was sent. */
export interface SentMessage {
  id: string;
  /** `assistant`: an answer that comes back with the results of tools that the client ran. */
  role: "user" | "assistant";
  parts: Part[];
  metadata: JsonObject;
}

/** The message to answer, what becomes of it in the store, and the approvals that come with it. */
export interface SendPlan extends Pick<RunBeginning, "prompt" | "store"> {
  approvals?: { answers: ApprovalAnswer[]; ids: string[] };
}

/** The active branch, as far as a plan needs it. */
export interface Branch {
  /** The key of its last message; null if it is empty. */
  leafKey: string | null;
  /** The message on it that has the id of the sent one. */
  known: StoredMessage | undefined;
}

/**
 * A new id goes behind the branch. A known one is an edit, or with the same contents a regeneration:
 * the branch is cut there, and what came after it stays as a branch of its own. An answer that comes
 * back is continued, with results of the client's tools and with approvals of the server's.
 * @throws {AppError} `bad_request` if the id belongs to a message of the other role; `conflict` if an
 * answer comes back that is no longer the last message, or that still waits for approvals.
 */
export function planSend(
  { leafKey, known }: Branch,
  sent: SentMessage,
  make: { key: string; now: number },
): SendPlan {
  if (known && known.role !== sent.role) {
    throw wrongMessage(`The id of the message belongs to a message of the role ${known.role}`);
  }
  if (sent.role === "assistant") return planContinuation(leafKey, known, sent, make.now);
  if (known && sameContent(known, sent)) return { prompt: known, store: "keep" };
  const prompt: StoredMessage = {
    key: make.key,
    parentKey: known ? known.parentKey : leafKey,
    id: sent.id,
    role: "user",
    parts: sent.parts,
    metadata: sent.metadata,
    status: "completed",
    model: null,
    finishReason: null,
    usage: null,
    createdAt: make.now,
  };
  return { prompt, store: "insert" };
}

/** True if a message that was sent says what a stored one says. */
export function sameContent(
  known: Pick<StoredMessage, "role" | "parts">,
  sent: SentMessage,
): boolean {
  return known.role === sent.role && JSON.stringify(known.parts) === JSON.stringify(sent.parts);
}

function planContinuation(
  leafKey: string | null,
  known: StoredMessage | undefined,
  sent: SentMessage,
  now: number,
): SendPlan {
  if (!known) throw wrongMessage("The chat has no answer with this id");
  if (known.key !== leafKey) throw movedOn();
  const results = new Map(sent.parts.filter(isToolPart).map((part) => [part.toolCallId, part]));
  const answers = known.parts.flatMap((part) => answerIn(part, results, now) ?? []);
  const answered = known.parts.filter(isOpenCall).some((call) =>
    isResult(results.get(call.toolCallId))
  );
  if (!answered && answers.length === 0 && !goesOn(known.parts)) {
    throw wrongMessage("The message has no result for a tool call that waits for one");
  }
  const responded = withAnswers(known.parts, answers);
  if (responded.some(isAsked)) {
    throw new AppError("conflict", "The answer waits for approvals", {
      detail: "Approve or deny every call that asks for it.",
    });
  }
  const parts = responded.map((part) => isOpenCall(part) ? withResult(part, results) : part);
  const ids = parts.flatMap((part) => isResponded(part) ? part.approval.id : []);
  return {
    prompt: { ...known, parts },
    store: "update",
    ...(ids.length > 0 && { approvals: { answers, ids } }),
  };
}

/** Parts of which some calls have a yes or no now. */
export function withAnswers(parts: readonly Part[], answers: readonly ApprovalAnswer[]): Part[] {
  return parts.map((part) => {
    if (!isAsked(part)) return part;
    const answer = answers.find(({ id }) => id === part.approval?.id);
    if (!answer) return part;
    const { id, approved, reason } = answer;
    const approval = { id, approved, ...(reason !== undefined && { reason }) };
    return { ...part, state: "approval-responded" as const, approval };
  });
}

/** The yes or no to a call that came back with it: for just this approval. */
function answerIn(
  part: Part,
  sent: ReadonlyMap<string, ToolPart>,
  answeredAt: number,
): ApprovalAnswer | undefined {
  if (!isAsked(part)) return undefined;
  const { state, approval } = sent.get(part.toolCallId) ?? {};
  if (state !== "approval-responded" || approval?.id !== part.approval?.id) return undefined;
  const { id, approved, reason } = approval!;
  return { id, approved: approved === true, reason: reason?.slice(0, MAX_REASON), answeredAt };
}

/** The most characters of a reason that are kept. */
export const MAX_REASON = 1_000;

/** True if the message ends in a call with its result, or its yes or no, so that an answer can follow. */
function goesOn(parts: readonly Part[]): boolean {
  const end = parts.findLastIndex(({ type }) => type !== "step-start");
  const begin = parts.findLastIndex(({ type }, at) => at < end && type === "step-start");
  // The files of a tool come behind its call.
  const last = parts.slice(begin + 1, end + 1).findLast(({ type }) => type !== "file");
  return last !== undefined && isToolPart(last) && !last.providerExecuted &&
    (last.state === "output-denied" || isResult(last) || isResponded(last));
}

function isResult(part: ToolPart | undefined): part is ToolPart {
  return part?.state === "output-available" || part?.state === "output-error";
}

/** Takes only the result from what came back: the call itself stays as the model made it. */
function withResult(call: ToolPart, results: ReadonlyMap<string, ToolPart>): ToolPart {
  const result = results.get(call.toolCallId);
  if (!isResult(result)) {
    return { ...call, state: "output-error", errorText: "The client gave no result." };
  }
  return result.state === "output-available"
    ? { ...call, state: "output-available", output: result.output ?? null }
    : { ...call, state: "output-error", errorText: result.errorText ?? "The tool failed." };
}

function wrongMessage(detail: string): AppError {
  return new AppError("bad_request", "Failed to decode chat message", {
    detail: `${detail}.`,
    validations: [{ field: "message.id", detail }],
  });
}
