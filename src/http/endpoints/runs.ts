import { z } from "zod";
import type { Attached } from "../../domain/attached.ts";
import { QUEUE_ON_STOP } from "../../domain/policies.ts";
import { toV4 } from "../../wire/v4_message.ts";
import { RUN_EXAMPLE } from "../answer.ts";
import { readBody } from "../body.ts";
import { idInPath, ownChat, timeSchema } from "../chat.ts";
import type { App, HttpParts } from "../context.ts";
import { answer, describe, json, jsonBody, pathParameter } from "../describe.ts";
import { notFound } from "../failure.ts";
import { asItCame } from "../files.ts";
import { jsonArray } from "../json_array.ts";

const stop = z.object({
  run_id: z.uuid("Expected a UUID").optional().meta({
    description: "Stops only that run, so that a stop that arrives late changes nothing.",
  }),
  queue: z.enum(QUEUE_ON_STOP).optional().meta({
    description: "What happens to queued messages: `hold`, the default, keeps them until the " +
      "next send; `go_on` answers them.",
  }),
}).meta({ id: "StopRequest" });

const stoppedSchema = () =>
  z.object({
    stopped: z.boolean(),
    run_id: z.uuid().optional(),
    reason: z.string().optional(),
    queue: z.literal("held").optional().meta({ description: "Set if queued messages are held." }),
  }).meta({ id: "StopResponse" });

const stopRun = describe({
  operationId: "stopRun",
  tag: "Runs",
  summary: "Stop the answer",
  description:
    "Responds once the request to the model is closed and the partial answer is stored. " +
    "If another Parley on the same database makes the answer and has not ended it after 10 seconds, " +
    "`stopped` is false and `run_id` names the run. Queued messages are held, unless `queue` says " +
    "otherwise.",
  requestBody: { content: jsonBody(stop, { example: { run_id: RUN_EXAMPLE } }) },
  responses: {
    200: answer(
      "The run that was stopped, or why none was.",
      json(stoppedSchema, { stopped: true, run_id: RUN_EXAMPLE }),
    ),
  },
});

/** A message that waits in the queue. */
async function queuedSchema() {
  const { messageSchema } = await import("../../wire/v4_schema.ts");
  return z.object({
    run_id: z.uuid(),
    held: z.boolean().meta({ description: "True if a stop holds the queue." }),
    model: z.string(),
    created_at: timeSchema(),
    failure: z.object({ class: z.string(), message: z.string(), retryable: z.boolean() })
      .optional()
      .meta({ description: "Why it was not answered: it waits no longer." }),
    message: messageSchema,
  }).meta({ id: "QueuedMessage" });
}

const listQueue = describe({
  operationId: "listQueue",
  tag: "Runs",
  summary: "List queued messages",
  description:
    "The messages sent with the busy policy `queue`, next one first. After a stop they are " +
    "`held` until the next send, or until the queue is told to continue. One that its chat could " +
    "not take when its turn came stays in the list with its `failure` until it is removed.",
  responses: {
    200: answer(
      "The messages.",
      json(async () => z.array(await queuedSchema())),
    ),
  },
});

const continueQueue = describe({
  operationId: "continueQueue",
  tag: "Runs",
  summary: "Let a held queue go on",
  description: "A stop holds the queue until the next send. This starts the next message now.",
  responses: { 204: answer("The queue is no longer held.") },
});

const cancelQueued = describe({
  operationId: "cancelQueued",
  tag: "Runs",
  summary: "Remove a message from the queue",
  parameters: [pathParameter("run", "The id of a run.", RUN_EXAMPLE, { format: "uuid" })],
  responses: { 204: answer("The message is no longer queued.") },
});

/** `POST /api/v2/chats/{chat}/stop`, and the routes below `/api/v2/chats/{chat}/queue`. */
export function runs(app: App, parts: HttpParts): void {
  const { runs } = parts;

  app.post("/api/v2/chats/:chat/stop", stopRun, async (c) => {
    const chat = await ownChat(c, parts);
    const { run_id, queue } = await readBody(c, parts, stop, "Failed to decode stop", {});
    const { stopped, held } = await runs.stop(chat, run_id, queue ?? "hold");
    const rest = held ? { queue: "held" } : {};
    if (!stopped) {
      const reason = run_id === undefined ? "The chat is idle." : "That run is not live.";
      return c.json({ stopped: false, reason, ...rest });
    }
    const { runId, ended } = stopped;
    const reason = ended ? {} : { reason: "Stop requested; the run has not ended yet." };
    return c.json({ stopped: ended, run_id: runId, ...reason, ...rest });
  });

  app.get("/api/v2/chats/:chat/queue", listQueue, async (c) => {
    const { waiting, held } = await runs.queue(await ownChat(c, parts));
    const sent = { role: "user", status: "completed", finishReason: null, usage: null } as const;
    const files = new Map<string, Attached>();
    const lists = async function* () {
      for (const { run, request, failure } of waiting) {
        const message = asItCame(request.message, parts, files);
        yield [{
          run_id: run.id,
          held: held && !failure,
          model: run.model,
          created_at: new Date(run.createdAt).toISOString(),
          ...(failure && { failure }),
          message: toV4({ ...message, ...sent, model: null, createdAt: run.createdAt }),
        }];
      }
    };
    return await jsonArray(c, parts, { lists: lists(), files, isLong: false });
  });

  app.post("/api/v2/chats/:chat/queue/continue", continueQueue, async (c) => {
    await runs.release(await ownChat(c, parts));
    return c.body(null, 204);
  });

  app.delete("/api/v2/chats/:chat/queue/:run", cancelQueued, async (c) => {
    if (!await runs.cancel(await ownChat(c, parts), idInPath(c, "run"))) throw notFound();
    return c.body(null, 204);
  });
}
