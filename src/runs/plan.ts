/** What a message that was sent means for the branch: pure. */
import { AppError } from "../domain/errors.ts";
import type { Part } from "../domain/message.ts";
import type { JsonObject } from "../domain/json.ts";
import type { StoredMessage } from "../domain/ports.ts";

/** A user's message as it was sent. */
export interface SentMessage {
  id: string;
  parts: Part[];
  metadata: JsonObject;
}

/** What to answer: the branch up to and with the user's message, and whether that is new. */
export interface SendPlan {
  branch: StoredMessage[];
  prompt: StoredMessage;
  isNew: boolean;
}

/**
 * A new id goes behind the branch. A known one is an edit, or with the same contents a
 * regeneration: the branch is cut there, and what came after stays as a branch of its own.
 * @throws {AppError} `bad_request` where the id is an answer's.
 */
export function planSend(
  history: StoredMessage[],
  sent: SentMessage,
  make: { key: string; now: number },
): SendPlan {
  const at = history.findIndex(({ id }) => id === sent.id);
  const known = history[at];
  if (known && known.role !== "user") {
    throw new AppError("bad_request", "Invalid message", {
      detail: "The id of the message belongs to an answer.",
      validations: [{ field: "message.id", detail: "Expected an id that no answer has" }],
    });
  }
  const before = known ? history.slice(0, at) : history;
  if (known && sameContent(known, sent)) {
    return { branch: [...before, known], prompt: known, isNew: false };
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
  return { branch: [...before, prompt], prompt, isNew: true };
}

/** True where a message that was sent says what a stored one says. */
export function sameContent(known: StoredMessage, sent: SentMessage): boolean {
  return JSON.stringify(known.parts) === JSON.stringify(sent.parts);
}
