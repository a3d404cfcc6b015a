import { z } from "zod";
import type { Chat } from "../../domain/chat.ts";
import type { AppError } from "../../domain/errors.ts";
import { eventsOf } from "../../runs/replay.ts";
import type { RunStream } from "../../runs/run_stream.ts";
import type { WireEncoder } from "../../wire/encoder.ts";
import { ENCODERS, negotiate, PROTOCOLS } from "../../wire/negotiate.ts";
import { badRequest } from "../../wire/validate.ts";
import { type Answering, NEGOTIATION, protocolSchema, streamRun } from "../answer.ts";
import { ownChat } from "../chat.ts";
import type { App, HttpParts } from "../context.ts";
import { component, describe, type Description, pathParameter, query } from "../describe.ts";

/** A position in a run: the run's id, unless `run` names it, and the number of an event. */
const POSITION = /^(?:([0-9a-f-]{36}):)?(\d{1,10})$/;

const querySchema = z.object({
  protocol: protocolSchema,
  after: z.string().regex(POSITION, "Expected RUN:N, or N with run").optional().meta({
    description: "The `id` of the last event that the client has, `RUN:N`; or `N` with `run`.",
  }),
  run: z.uuid("Expected a UUID").optional().meta({
    description: "The id of a run; by default the chat's live one.",
  }),
});

const description: Description = {
  operationId: "resumeStream",
  tag: "Runs",
  summary: "Join the answer in progress",
  description: `From its beginning, or after the last event that the client has. The pieces that a \
client gets by leaving and joining again add up to the whole stream.

${NEGOTIATION}; if neither is given, it is the one that the message was sent with.`,
  parameters: [
    component("parameters", "UiMessageStream"),
    component("parameters", "LastEventId"),
  ],
  responses: {
    200: component("responses", "AnswerStream"),
    204: component("responses", "NothingToJoin"),
  },
  errors: [429],
};

const clientDescription: Description = {
  ...description,
  operationId: "resumeClientStream",
  summary: "Join the answer in progress, at the path of AI SDK's clients",
  description: "The same as `/api/v2/chats/{chat}/stream`, at the path that AI SDK 5 and later " +
    "derive from the one they send messages to.",
  parameters: [
    pathParameter(
      "client",
      "The client's own id of its chat, which is ignored.",
      "8nMPrSkW8yHYvX0j",
    ),
    ...description.parameters ?? [],
  ],
};

/** `GET /api/v2/chats/{chat}/stream` and `GET /api/v2/chats/{chat}/messages/{client}/stream`. */
export function resumeStream(app: App, parts: HttpParts): void {
  const paths = {
    "/api/v2/chats/:chat/stream": description,
    "/api/v2/chats/:chat/messages/:client/stream": clientDescription,
  };
  for (const [path, description] of Object.entries(paths)) {
    app.get(path, describe(description), query(querySchema), async (c) => {
      const chat = await ownChat(c, parts);
      const asked = c.req.valid("query");
      const point = resumePoint(asked, c.req.header("last-event-id") ?? "");
      return await streamRun(c, parts, async () => {
        const run = await findRun(chat, point, parts);
        const spoken = PROTOCOLS.find((protocol) => protocol === run?.identity.protocol);
        const encoder = ENCODERS[negotiate(asked.protocol, c.req.raw.headers, spoken)];
        return run && beginAt(run, encoder, point.after);
      });
    });
  }
}

/** The point to resume at: after the event `after` of this run, by default the live one. */
interface ResumePoint {
  run: string | undefined;
  after: number;
}

/** The run to go on with; undefined if the history has all that comes after that point. */
async function findRun(
  chat: Chat,
  { run: id, after }: ResumePoint,
  { runs }: HttpParts,
): Promise<RunStream | undefined> {
  const run = await (id === undefined ? runs.live(chat) : runs.find(chat.ownerId, id));
  if (!run || run.identity.chatId !== chat.id) return undefined;
  const isOver = (run.closed && run.head <= after) || (run.remade && after > 0);
  return isOver ? undefined : run;
}

/**
 * For a client that joins a live run from its beginning, the answer that the run continues stands in
 * place of the run's own beginning. Its frames have the number 0, so that a client that is cut off
 * among them begins again.
 */
function beginAt(run: RunStream, encoder: WireEncoder, after: number): Answering {
  if (after > 0 || run.closed || !run.before) return { run, encoder, after };
  const first = eventsOf(run.before)
    .filter(({ type }) => type !== "finish")
    .map((event) => encoder.encode({ seq: 0, event }, run.identity.id)).join("");
  return { run, encoder, first, after: first ? 1 : 0 };
}

/**
 * The point that `?after=` names, or the `Last-Event-ID` of a client that was cut off. A position names
 * its run: a number alone could belong to another one.
 */
function resumePoint({ run, after }: z.infer<typeof querySchema>, last: string): ResumePoint {
  if (last !== "" && !POSITION.test(last)) {
    throw invalidPosition("Last-Event-ID", "Expected RUN:N, or N with run");
  }
  const field = after === undefined ? "Last-Event-ID" : "after";
  const [, named = run, number = "0"] = POSITION.exec(after ?? last) ?? [];
  if (run !== undefined && named !== run) {
    throw invalidPosition(field, "Expected a position in the run that run names");
  }
  if (named === undefined && Number(number) > 0) {
    throw invalidPosition(field, "Expected a position that names its run: RUN:N, or N with run");
  }
  return { run: named, after: Number(number) };
}

function invalidPosition(field: string, detail: string): AppError {
  return badRequest("Invalid position", { field, detail });
}
