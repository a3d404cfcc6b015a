/** What a message that was sent means for its chat: pure. */
import { AppError } from "../domain/errors.ts";
import type { JsonObject } from "../domain/json.ts";
import { isToolPart, type Part, type ToolPart } from "../domain/message.ts";
import type { RunBeginning, StoredMessage } from "../domain/records.ts";

/** A message as it was sent. */
export interface SentMessage {
  id: string;
  /** `assistant`: an answer that comes back with the results of tools that the client ran. */
  role: "user" | "assistant";
  parts: Part[];
  metadata: JsonObject;
}

/** The message to answer, and what becomes of it in the store. */
export type SendPlan = Pick<RunBeginning, "prompt" | "store">;

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
 * back is continued.
 * @throws {AppError} `bad_request` if the id belongs to a message of the other role; `conflict` if an
 * answer comes back that is no longer the last message.
 */
export function planSend(
  { leafKey, known }: Branch,
  sent: SentMessage,
  make: { key: string; now: number },
): SendPlan {
  if (known && known.role !== sent.role) {
    throw wrongMessage(`The id of the message belongs to a message of the role ${known.role}`);
  }
  if (sent.role === "assistant") return planContinuation(leafKey, known, sent);
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
): SendPlan {
  if (!known) throw wrongMessage("The chat has no answer with this id");
  if (known.key !== leafKey) {
    throw new AppError("conflict", "The chat has moved on", {
      detail: "Only the last answer of a chat can be continued with tool results.",
    });
  }
  const results = new Map(sent.parts.filter(isToolPart).map((part) => [part.toolCallId, part]));
  const answered = known.parts.filter(isOpenCall).some((call) =>
    isResult(results.get(call.toolCallId))
  );
  if (!answered && !waitsForModel(known.parts)) {
    throw wrongMessage("The message has no result for a tool call that waits for one");
  }
  const parts = known.parts.map((part) => isOpenCall(part) ? withResult(part, results) : part);
  return { prompt: { ...known, parts }, store: "update" };
}

/** A call that the client has to answer. */
function isOpenCall(part: Part): part is ToolPart {
  return isToolPart(part) && part.state === "input-available" && !part.providerExecuted;
}

/** True if the message ends in a client's call with its result, so that it is the model's turn. */
function waitsForModel(parts: readonly Part[]): boolean {
  const last = parts.findLast(({ type }) => type !== "step-start");
  return last !== undefined && isToolPart(last) && !last.providerExecuted && isResult(last);
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
