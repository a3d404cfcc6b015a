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

/** How often a history is read while one run after another begins and ends. */
const TRIES = 4;

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
  const { listed, siblings, live } = await readBranch(chat, branch, parts);
  // An answer that is continued is stored up to there, and as live as one that begins.
  const done = live ? listed.filter(({ id }) => id !== live.messageId) : listed;
  const run = live && include === "live" ? await parts.runs.find(chat.ownerId, live.id) : undefined;
  const shown = run ? [...done, await liveMessage(run, listed)] : done;
  return shown.map((message) => {
    const metadata = { ...message.metadata, ...siblingsOf(message, siblings, protocol) };
    return protocol === "ui" ? toUi({ ...message, metadata }) : toV4({ ...message, metadata });
  });
}

/**
 * A branch, and the run that was live all the while that it was read. An answer that ended meanwhile
 * may be missing from it, and no stream would bring it any more: then it is read again.
 */
async function readBranch(chat: Chat, branch: string | undefined, { messages, runs }: HttpParts) {
  const { ownerId, id } = chat;
  let before = await runs.liveRecord(chat);
  for (let tries = 1;; tries++) {
    const [listed, siblings] = await Promise.all([
      branch === undefined ? messages.history(ownerId, id) : messages.branch(ownerId, id, branch),
      messages.siblings(ownerId, id),
    ]);
    if (branch !== undefined && listed.length === 0) throw notFound();
    const live = await runs.liveRecord(chat);
    // A question without its answer may have been answered in between.
    const isWhole = live !== undefined || listed.at(-1)?.role !== "user" || tries > 1;
    const isSettled = live?.id === before?.id && isWhole;
    if (isSettled || tries === TRIES) return { listed, siblings, live };
    before = live;
  }
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
