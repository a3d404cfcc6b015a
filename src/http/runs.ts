import { AppError } from "../domain/errors.ts";
import type { LiveRun } from "../runs/live_run.ts";
import { eventsOf } from "../runs/replay.ts";
import type { Chat } from "../domain/chat.ts";
import { dataStream } from "../wire/data_stream.ts";
import type { WireEncoder } from "../wire/encoder.ts";
import { encoderOf, negotiate, type Protocol, PROTOCOLS } from "../wire/negotiate.ts";
import { toV4 } from "../wire/v4_message.ts";
import { parseWith, readJson } from "./body.ts";
import { ownChat } from "./chats.ts";
import type { App, HttpParts, RequestContext } from "./context.ts";
import { notFound } from "./failure.ts";
import { resumeSchema, stopSchema } from "./schemas.ts";
import { runStream } from "./stream.ts";

/** Joining runs, stopping them, and the messages that wait for them. */
export function runRoutes(app: App, parts: HttpParts): void {
  const { runs, limits } = parts;

  app.get("/api/v2/chats/:chat/stream", (c) => resume(c, parts));
  // Where AI SDK 5+ looks for it when its transport's `api` is the path of the messages.
  app.get("/api/v2/chats/:chat/messages/:client/stream", (c) => resume(c, parts));

  app.post("/api/v2/chats/:chat/stop", async (c) => {
    const chat = await ownChat(c, parts);
    const failure = "Failed to decode stop";
    const body = await readJson(c.req.raw, limits.bodyBytes, failure) ?? {};
    const { run_id } = parseWith(stopSchema, body, failure);
    const stopped = await runs.stop(chat, run_id);
    if (!stopped) {
      const reason = run_id === undefined ? "The chat is idle." : "That run is not live.";
      return c.json({ stopped: false, reason });
    }
    const { runId, ended } = stopped;
    return c.json(
      ended
        ? { stopped: true, run_id: runId }
        : { stopped: false, run_id: runId, reason: "It was asked to stop, and goes on yet." },
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

async function resume(c: RequestContext, parts: HttpParts): Promise<Response> {
  const { runs, streams } = parts;
  const chat = await ownChat(c, parts);
  const { run: runId, after, protocol } = resumePoint(c);
  const leave = streams.enter(c.var.principal.id);
  try {
    const run = runId !== undefined
      ? await runs.find(chat.ownerId, runId)
      // A client that was cut off as the run ended still gets the rest of it.
      : await runs.live(chat) ?? (after > 0 ? await runs.latest(chat) : undefined);
    if (!run || run.identity.chatId !== chat.id || hasNothingBehind(run, after)) {
      leave();
      return c.body(null, 204);
    }
    const header = (name: string) => c.req.header(name);
    const otherwise = PROTOCOLS.find((known) => known === run.identity.protocol);
    const encoder = encoderOf(negotiate({ query: protocol, header, otherwise }));
    const first = after === 0 && !run.closed ? earlierPart(run, encoder) : "";
    return runResponse(run, encoder, first ? 1 : after, leave, parts, first);
  } catch (error) {
    leave();
    throw error;
  }
}

/** True where a client that has the events up to `after` gets no more: the history has it all. */
function hasNothingBehind(run: LiveRun, after: number): boolean {
  return (run.closed && run.head <= after) || (run.remade && after > 0);
}

/** AI SDK 4 resumes by a GET of the messages' path, and takes no 204. */
export async function resumeOldClient(
  c: RequestContext,
  chat: Chat,
  parts: HttpParts,
): Promise<Response> {
  const run = await parts.runs.live(chat);
  if (!run) return c.body("", 200, { ...dataStream.headers });
  const leave = parts.streams.enter(c.var.principal.id);
  return runResponse(run, dataStream, 0, leave, parts);
}

/** A run as a response, from the event behind `after` on. */
export function runResponse(
  run: LiveRun,
  encoder: WireEncoder,
  after: number,
  onClose: () => void,
  { limits }: HttpParts,
  first = "",
): Response {
  const stream = runStream(run, {
    encoder,
    after,
    first,
    keepAliveMs: limits.keepAliveMs,
    onClose,
  });
  return new Response(stream, {
    headers: {
      ...encoder.headers,
      "cache-control": "no-cache, no-transform",
      "x-accel-buffering": "no",
      "parley-run-id": run.identity.id,
    },
  });
}

/**
 * What a client that joins a continued answer has to see ahead of its run, in place of the run's own
 * beginning: the answer as it was. Its frames have the number 0, so that who is cut off in between
 * begins anew.
 */
function earlierPart({ before }: LiveRun, encoder: WireEncoder): string {
  if (!before) return "";
  const events = eventsOf(before).filter(({ type }) => type !== "finish");
  return events.map((event) => encoder.encode({ seq: 0, event })).join("");
}

/** Where to go on: `?after=N`, or `Last-Event-ID` of a client that was cut off. */
function resumePoint(
  c: RequestContext,
): { run: string | undefined; after: number; protocol: Protocol | undefined } {
  const query = parseWith(resumeSchema, c.req.query(), "Invalid query");
  const last = c.req.header("last-event-id") ?? "";
  if (last !== "" && !/^\d{1,10}$/.test(last)) {
    throw new AppError("bad_request", "Invalid Last-Event-ID", {
      detail: "Expected the number of an event.",
      validations: [{ field: "Last-Event-ID", detail: "Expected a whole number" }],
    });
  }
  return { run: query.run, after: query.after ?? Number(last), protocol: query.protocol };
}
