import type { z } from "zod";
import { assemble } from "../domain/assembly.ts";
import type { Chat } from "../domain/chat.ts";
import type { JsonObject } from "../domain/json.ts";
import type { Message } from "../domain/message.ts";
import type { StoredMessage } from "../domain/ports.ts";
import type { LiveRun } from "../runs/live_run.ts";
import type { Protocol } from "../wire/negotiate.ts";
import { toUi } from "../wire/ui_message.ts";
import { toV4 } from "../wire/v4_message.ts";
import type { HttpParts } from "./context.ts";
import { notFound } from "./failure.ts";
import type { historySchema } from "./schemas.ts";

/**
 * A branch of a chat in the form of the protocol. An answer that is being made is left out, since a
 * client that joins its stream would show it twice, unless it is asked for.
 */
export async function readHistory(
  chat: Chat,
  { branch, include }: z.infer<typeof historySchema>,
  protocol: Protocol,
  parts: HttpParts,
): Promise<object[]> {
  const { messages } = parts;
  const listed = branch === undefined
    ? await messages.history(chat.ownerId, chat.id)
    : await messages.branch(chat.ownerId, chat.id, branch);
  if (branch !== undefined && listed.length === 0) throw notFound();
  const siblings = await messages.siblings(chat.ownerId, chat.id);
  const run = await parts.runs.live(chat);
  // An answer that is continued is stored up to there, and as live as one that begins.
  const done = run ? listed.filter(({ id }) => id !== run.identity.messageId) : listed;
  const shown = run && include === "live" ? [...done, await liveMessage(run, listed)] : done;
  return shown.map((message) => {
    const metadata = { ...message.metadata, ...siblingsOf(message, siblings, protocol) };
    return protocol === "ui" ? toUi({ ...message, metadata }) : toV4({ ...message, metadata });
  });
}

/**
 * Which other messages stand in a message's place: by their keys, each a branch. AI SDK 4 has no
 * metadata, so there it is the last annotation; 5 and later also have what a client of 4 annotated,
 * for it belongs to the message and has no other place.
 */
function siblingsOf(
  message: Message,
  siblings: Map<string, string[]>,
  protocol: Protocol,
): JsonObject {
  const { key } = message as Partial<StoredMessage>;
  const keys = key === undefined ? undefined : siblings.get(key);
  if (key === undefined || !keys) return {};
  const branches = { key, siblings: keys };
  if (protocol === "ui") return { branches };
  const { annotations } = message.metadata;
  return { annotations: [...Array.isArray(annotations) ? annotations : [], { branches }] };
}

async function liveMessage(run: LiveRun, listed: StoredMessage[]): Promise<Message> {
  const { messageId, model, createdAt } = run.identity;
  const before = listed.find(({ id }) => id === messageId)?.parts;
  return {
    id: messageId,
    role: "assistant",
    parts: assemble(await run.published(), { ended: false, before }),
    metadata: {},
    status: "completed",
    model,
    finishReason: null,
    usage: null,
    createdAt,
  };
}
