import { AppError } from "../domain/errors.ts";
import { dataStream } from "../wire/data_stream.ts";
import { decodeMessage } from "../wire/sent_message.ts";
import { toV4 } from "../wire/v4_message.ts";
import { parseWith, readJson } from "./body.ts";
import { ownChat } from "./chats.ts";
import type { App, HttpParts } from "./context.ts";
import { createMessageSchema } from "./schemas.ts";
import { runStream } from "./stream.ts";

/** The history of a chat, and sending to it. */
export function messageRoutes(app: App, parts: HttpParts): void {
  const { messages, runs, streams, ids, limits } = parts;

  app.get("/api/v2/chats/:chat/messages", async (c) => {
    const chat = await ownChat(c, parts);
    const history = await messages.history(chat.ownerId, chat.id);
    return c.json(history.map(toV4));
  });

  app.post("/api/v2/chats/:chat/messages", async (c) => {
    const chat = await ownChat(c, parts);
    const failure = "Failed to decode chat message";
    const body = await readJson(c.req.raw, limits.bodyBytes, failure);
    if (body === undefined) {
      throw new AppError("bad_request", failure, { detail: "Expected a JSON body, found none" });
    }
    const request = parseWith(createMessageSchema, body, failure);
    const message = decodeMessage(request.message, { chars: limits.messageChars });
    const leave = streams.enter(c.var.principal.id);
    try {
      const run = await runs.send({
        chat,
        message: { ...message, id: message.id ?? ids.uuid() },
        model: request.model,
        thinking: request.thinking ?? false,
      });
      const stream = runStream(run, {
        encoder: dataStream,
        after: 0,
        keepAliveMs: limits.keepAliveMs,
        onClose: leave,
      });
      return new Response(stream, {
        headers: {
          ...dataStream.headers,
          "cache-control": "no-cache, no-transform",
          "x-accel-buffering": "no",
          "parley-run-id": run.record.id,
        },
      });
    } catch (error) {
      leave();
      throw error;
    }
  });
}
