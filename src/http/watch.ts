import type { ChatEvent } from "../runs/feed.ts";
import { chatJson } from "./chats.ts";
import type { App, HttpParts } from "./context.ts";

/** How many bytes wait for a watcher before it is dropped: it comes back and lists anew. */
const BUFFER = 256 * 1024;

/** What becomes of one's chats, as server-sent events. */
export function watchRoutes(app: App, parts: HttpParts): void {
  app.get("/api/v2/chats/watch", (c) => {
    const { id } = c.var.principal;
    const leave = parts.streams.enter(id);
    return new Response(watchStream(id, parts, leave), {
      headers: {
        "content-type": "text/event-stream",
        "cache-control": "no-cache, no-transform",
        "x-accel-buffering": "no",
      },
    });
  });
}

function watchStream(
  ownerId: string,
  { feed, limits, closing }: HttpParts,
  leave: () => void,
): ReadableStream<Uint8Array> {
  const encoder = new TextEncoder();
  let unwatch = () => {};
  let timer: ReturnType<typeof setInterval>;
  let onClosing = () => {};
  const close = () => {
    clearInterval(timer);
    closing.removeEventListener("abort", onClosing);
    unwatch();
    leave();
  };
  return new ReadableStream<Uint8Array>({
    start(controller) {
      const send = (text: string) => {
        if ((controller.desiredSize ?? 0) > 0) return controller.enqueue(encoder.encode(text));
        close();
        controller.error(new Error("the client takes nothing"));
      };
      unwatch = feed.watch(ownerId, (event) => send(frame(event)));
      timer = setInterval(() => send(": keep-alive\n\n"), limits.keepAliveMs);
      onClosing = () => {
        close();
        controller.close();
      };
      send(": watching\n\n");
      // The signal tells nobody who comes late.
      if (closing.aborted) return onClosing();
      closing.addEventListener("abort", onClosing);
    },
    cancel: close,
  }, { highWaterMark: BUFFER, size: (chunk) => chunk.byteLength });
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
  }
}
