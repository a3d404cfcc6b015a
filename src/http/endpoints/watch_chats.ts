import { z } from "zod";
import type { ChatEvent } from "../../runs/feed.ts";
import { chatJson } from "../chat.ts";
import type { App, HttpParts } from "../context.ts";
import { answer, content, describe } from "../describe.ts";
import { SIGNED_OUT } from "../auth.ts";
import { enterStream, paceOf } from "../pace.ts";
import { pacedBody, type Source } from "../paced_body.ts";
import { STREAM_HEADERS } from "../stream.ts";

/** A client with more unread characters is dropped. It reconnects, and lists its chats again. */
const MAX_UNREAD = 64 * 1024;

const eventSchema = () =>
  z.looseObject({
    event: z.enum([
      "chat.created",
      "chat.renamed",
      "chat.deleted",
      "run.started",
      "run.ended",
      "approval.requested",
      "approval.answered",
      "session.ended",
    ]),
    data: z.string().meta({ description: "JSON." }),
  }).meta({ id: "ChatEvent", description: "One server-sent event." });

const EXAMPLE = `: watching

event: run.started
data: {"chat_id":"497f6eca-6276-4993-bfeb-53cbbbba6f08",\
"run_id":"3b66fb66-86ac-47c6-95aa-9ae31d233603","model":"demo"}

`;

const watch = describe({
  operationId: "watchChats",
  tag: "Chats",
  summary: "Watch your chats",
  description:
    `Server-sent events, for as long as the client listens. Skip lines that begin with a \
colon.

- \`chat.created\` and \`chat.renamed\` hold the chat.
- \`chat.deleted\` holds its \`id\`.
- \`run.started\` holds \`chat_id\`, \`run_id\` and \`model\`.
- \`run.ended\` holds \`chat_id\`, \`run_id\` and the run's \`state\`.
- \`approval.requested\` and \`approval.answered\` hold \`chat_id\`, \`approval_id\` and the \`tool\`, \
or whether it was \`approved\`.
- \`session.ended\` is the last, if the token was revoked or has expired; it holds a \`message\`.`,
  responses: { 200: answer("The events.", content("text/event-stream", eventSchema, EXAMPLE)) },
  errors: [429],
});

/** `GET /api/v2/chats/watch`. */
export function watchChats(app: App, parts: HttpParts): void {
  app.get("/api/v2/chats/watch", watch, (c) => {
    const pace = {
      ...paceOf(c, parts, enterStream(c, parts)),
      first: ": watching\n\n",
      keepAlive: ": keep-alive\n\n",
      farewell: `event: session.ended\ndata: ${JSON.stringify({ message: SIGNED_OUT })}\n\n`,
    };
    const open = (onChange: () => void) => newsOf(c.var.principal.id, parts, onChange);
    return new Response(pacedBody(open, pace), {
      headers: { ...STREAM_HEADERS, "content-type": "text/event-stream" },
    });
  });
}

/** What happens to the chats of a user from now on, until the server closes. */
function newsOf(ownerId: string, { feed, closing }: HttpParts, onChange: () => void): Source {
  let unread = "";
  const unwatch = feed.watch(ownerId, (event) => {
    unread += frame(event);
    onChange();
  });
  closing.addEventListener("abort", onChange);
  return {
    get done() {
      return closing.aborted && unread === "";
    },
    take() {
      if (unread.length > MAX_UNREAD) throw new Error("the client takes nothing");
      const bytes = new TextEncoder().encode(unread);
      unread = "";
      return bytes.length > 0 ? [bytes] : undefined;
    },
    close() {
      closing.removeEventListener("abort", onChange);
      unwatch();
    },
  };
}

function frame(event: ChatEvent): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(payload(event))}\n\n`;
}

function payload(event: ChatEvent): object {
  switch (event.type) {
    case "chat.created":
    case "chat.renamed":
      return chatJson(event.chat);
    case "chat.deleted":
      return { id: event.chatId };
    case "run.started":
      return { chat_id: event.chatId, run_id: event.runId, model: event.model };
    case "run.ended":
      return { chat_id: event.chatId, run_id: event.runId, state: event.state };
    case "approval.requested":
      return { chat_id: event.chatId, approval_id: event.approvalId, tool: event.tool };
    case "approval.answered":
      return { chat_id: event.chatId, approval_id: event.approvalId, approved: event.approved };
  }
}
