/** What a message that was sent means for the branch: pure. */
import { AppError } from "../domain/errors.ts";
import type { JsonObject } from "../domain/json.ts";
import { isToolPart, type Part, type ToolPart } from "../domain/message.ts";
import type { StoredMessage } from "../domain/ports.ts";

/** A message as it was sent. */
export interface SentMessage {
  id: string;
  /** `assistant`: an answer that comes back with the results of tools that the client ran. */
  role: "user" | "assistant";
  parts: Part[];
  metadata: JsonObject;
}

/** What to answer: the branch up to and with the message, and what becomes of that in the store. */
export interface SendPlan {
  branch: StoredMessage[];
  prompt: StoredMessage;
  /** A new message is inserted; one that has new tool results is updated; a stored one stays. */
  store: "insert" | "update" | "keep";
}

/**
 * A new id goes behind the branch. A known one is an edit, or with the same contents a regeneration:
 * the branch is cut there, and what came after stays as a branch of its own. An answer that comes back
 * is continued.
 * @throws {AppError} `bad_request` where the id belongs to a message of the other role; `conflict`
 * where an answer comes back that is no longer the last.
 */
export function planSend(
  history: StoredMessage[],
  sent: SentMessage,
  make: { key: string; now: number },
): SendPlan {
  const at = history.findIndex(({ id }) => id === sent.id);
  const known = history[at];
  if (known && known.role !== sent.role) {
    throw wrongMessage(`The id of the message belongs to a message of the role ${known.role}`);
  }
  if (sent.role === "assistant") return planContinuation(history, known, sent);
  const before = known ? history.slice(0, at) : history;
  if (known && sameContent(known, sent)) {
    return { branch: [...before, known], prompt: known, store: "keep" };
  }
  const prompt: StoredMessage = {
    key: make.key,
    parentKey: known ? known.parentKey : history.at(-1)?.key ?? null,
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
  return { branch: [...before, prompt], prompt, store: "insert" };
}

/** True where a message that was sent says what a stored one says. */
export function sameContent(
  known: Pick<StoredMessage, "role" | "parts">,
  sent: SentMessage,
): boolean {
  return known.role === sent.role && JSON.stringify(known.parts) === JSON.stringify(sent.parts);
}

function planContinuation(
  history: StoredMessage[],
  known: StoredMessage | undefined,
  sent: SentMessage,
): SendPlan {
  if (!known) throw wrongMessage("The chat has no answer with this id");
  if (known !== history.at(-1)) {
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
  const prompt = { ...known, parts };
  return { branch: [...history.slice(0, -1), prompt], prompt, store: "update" };
}

/** A call that the client has to answer. */
function isOpenCall(part: Part): part is ToolPart {
  return isToolPart(part) && part.state === "input-available" && !part.providerExecuted;
}

/** True where the last that was said is a call of the client's with its result, so the model's turn. */
function waitsForModel(parts: readonly Part[]): boolean {
  const last = parts.findLast(({ type }) => type !== "step-start");
  return last !== undefined && isToolPart(last) && !last.providerExecuted && isResult(last);
}

function isResult(part: ToolPart | undefined): part is ToolPart {
  return part?.state === "output-available" || part?.state === "output-error";
}

/** Only the result is taken of what came back: the call itself is as the model made it. */
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
