import { AppError } from "../domain/errors.ts";
import type { LiveRun } from "../runs/live_run.ts";
import { dataStream } from "../wire/data_stream.ts";
import { toV4 } from "../wire/v4_message.ts";
import { parseWith, readJson } from "./body.ts";
import { ownChat } from "./chats.ts";
import type { App, HttpParts, RequestContext } from "./context.ts";
import { notFound } from "./failure.ts";
import { resumeSchema, stopSchema } from "./schemas.ts";
import { runStream } from "./stream.ts";

/** Joining runs, stopping them, and the messages that wait for them. */
export function runRoutes(app: App, parts: HttpParts): void {
  const { runs, streams, limits } = parts;

  app.get("/api/v2/chats/:chat/stream", async (c) => {
    const chat = await ownChat(c, parts);
    const { run: runId, after } = resumePoint(c);
    const leave = streams.enter(c.var.principal.id);
    try {
      const run = runId !== undefined
        ? await runs.find(chat.ownerId, runId)
        // A client that was cut off as the run ended still gets the rest of it.
        : await runs.live(chat) ?? (after > 0 ? await runs.latest(chat) : undefined);
      if (!run || run.identity.chatId !== chat.id || (run.closed && run.head <= after)) {
        leave();
        return c.body(null, 204);
      }
      return respondWithRun(run, after, leave, parts);
    } catch (error) {
      leave();
      throw error;
    }
  });

  app.post("/api/v2/chats/:chat/stop", async (c) => {
    const chat = await ownChat(c, parts);
    const failure = "Failed to decode stop";
    const body = await readJson(c.req.raw, limits.bodyBytes, failure) ?? {};
    const { run_id } = parseWith(stopSchema, body, failure);
    const stopped = await runs.stop(chat, run_id);
    return c.json(
      stopped === undefined
        ? {
          stopped: false,
          reason: run_id === undefined ? "The chat is idle." : "That run is not live.",
        }
        : { stopped: true, run_id: stopped },
    );
  });

  app.get("/api/v2/chats/:chat/queue", async (c) => {
    const chat = await ownChat(c, parts);
    const queued = await runs.queued(chat);
    return c.json(queued.map(({ run, request }) => ({
      run_id: run.id,
      model: run.model,
      created_at: new Date(run.createdAt).toISOString(),
      message: toV4({
        ...request.message,
        role: "user",
        status: "completed",
        model: null,
        finishReason: null,
        usage: null,
        createdAt: run.createdAt,
      }),
    })));
  });

  app.delete("/api/v2/chats/:chat/queue/:run", async (c) => {
    const chat = await ownChat(c, parts);
    if (!await runs.cancel(chat, c.req.param("run"))) throw notFound();
    return c.body(null, 204);
  });
}

/** A run as a response, from the event behind `after` on. */
export function respondWithRun(
  run: LiveRun,
  after: number,
  onClose: () => void,
  { limits }: HttpParts,
): Response {
  const encoder = dataStream;
  const stream = runStream(run, { encoder, after, keepAliveMs: limits.keepAliveMs, onClose });
  return new Response(stream, {
    headers: {
      ...encoder.headers,
      "cache-control": "no-cache, no-transform",
      "x-accel-buffering": "no",
      "parley-run-id": run.identity.id,
    },
  });
}

/** Where to go on: `?after=N`, or `Last-Event-ID` of a client that was cut off. */
function resumePoint(c: RequestContext): { run: string | undefined; after: number } {
  const query = parseWith(resumeSchema, c.req.query(), "Invalid query");
  const last = c.req.header("last-event-id") ?? "";
  if (last !== "" && !/^\d{1,10}$/.test(last)) {
    throw new AppError("bad_request", "Invalid Last-Event-ID", {
      detail: "Expected the number of an event.",
      validations: [{ field: "Last-Event-ID", detail: "Expected a whole number" }],
    });
  }
  return { run: query.run, after: query.after ?? Number(last) };
}
