import type { Chat } from "../domain/chat.ts";
import { AppError } from "../domain/errors.ts";
import type { KeyedSend } from "../domain/ports.ts";
import { hashToken } from "../domain/token.ts";
import { type DecodedMessage, decodeMessage } from "../wire/sent_message.ts";
import { toV4 } from "../wire/v4_message.ts";
import { parseWith, readJson } from "./body.ts";
import { ownChat } from "./chats.ts";
import type { App, HttpParts, RequestContext } from "./context.ts";
import { respondWithRun } from "./runs.ts";
import { type CreateMessage, createMessageSchema } from "./schemas.ts";

const FAILURE = "Failed to decode chat message";

/** The history of a chat, and sending to it. */
export function messageRoutes(app: App, parts: HttpParts): void {
  const { messages, runs, streams, ids, busy } = parts;

  app.get("/api/v2/chats/:chat/messages", async (c) => {
    const chat = await ownChat(c, parts);
    const history = await messages.history(chat.ownerId, chat.id);
    return c.json(history.map(toV4));
  });

  app.post("/api/v2/chats/:chat/messages", async (c) => {
    const chat = await ownChat(c, parts);
    const { request, message } = await readMessage(c, parts);
    const leave = streams.enter(c.var.principal.id);
    try {
      const run = await runs.send({
        chat,
        message: { ...message, id: message.id ?? ids.uuid() },
        model: request.model,
        thinking: request.thinking ?? false,
        busy: request.busy ?? busy,
        keyed: keyOf(c, chat, request, message),
      });
      return respondWithRun(run, 0, leave, parts);
    } catch (error) {
      leave();
      throw error;
    }
  });
}

async function readMessage(
  c: RequestContext,
  { limits }: HttpParts,
): Promise<{ request: CreateMessage; message: DecodedMessage }> {
  const body = await readJson(c.req.raw, limits.bodyBytes, FAILURE);
  if (body === undefined) {
    throw new AppError("bad_request", FAILURE, { detail: "Expected a JSON body, found none" });
  }
  const request = parseWith(createMessageSchema, body, FAILURE);
  const message = decodeMessage(request.message, { chars: limits.messageChars });
  return { request, message };
}

/** The request's `Idempotency-Key`, with a hash of all that the answer depends on. */
function keyOf(
  c: RequestContext,
  chat: Chat,
  { model, thinking }: CreateMessage,
  message: DecodedMessage,
): KeyedSend | undefined {
  const key = c.req.header("idempotency-key");
  if (key === undefined) return undefined;
  if (!/^[\x21-\x7e]{1,200}$/.test(key)) {
    throw new AppError("bad_request", "Invalid Idempotency-Key", {
      detail: "Expected 1 to 200 visible ASCII characters.",
      validations: [{ field: "Idempotency-Key", detail: "Expected visible ASCII characters" }],
    });
  }
  const sent = JSON.stringify([chat.id, message, model, thinking ?? false]);
  return { key, hash: hashToken(sent) };
}
