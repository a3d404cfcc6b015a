/** The one look at a chat that a send is decided by. */
import type { Chat } from "../domain/chat.ts";
import type { MessageStore } from "../domain/ports.ts";
import type { ChatView } from "../domain/records.ts";
import type { Look, Send } from "./admission.ts";
import type { Parts } from "./parts.ts";

/** Looks at the chat of a send in one request; undefined if it is gone. */
export async function lookAt(
  { chat, message, models: [{ type, id: model }], keyed }:
    & Pick<
      Send,
      "message" | "models" | "keyed"
    >
    & { chat: Pick<Chat, "id" | "ownerId"> },
  { runs, conversation, systemPrompts }: Pick<Parts, "runs" | "conversation" | "systemPrompts">,
): Promise<Look | undefined> {
  const system = await systemPrompts.of(chat.id);
  const target = { type, model, system };
  const view = await runs.view(chat.ownerId, chat.id, {
    messageId: message.id,
    key: keyed?.key,
    sinceKey: conversation.cachedTo(chat.id, target),
  });
  if (!view) return undefined;
  const read = (messages: MessageStore) => alreadyRead(messages, view);
  return { ...view, system, conversation: conversation.over(read) };
}

/** The messages of a chat, some of which are not asked for again. */
function alreadyRead(messages: MessageStore, { branch }: ChatView): MessageStore {
  const read = new Map(branch.flatMap(({ key, message }) => message ? [[key, message]] : []));
  return {
    ...messages,
    outline: (chatId, key, limit) =>
      branch[0]?.key === key
        ? Promise.resolve(branch.slice(0, limit))
        : messages.outline(chatId, key, limit),
    async read(chatId, keys, options) {
      const known = keys.flatMap((key) => read.get(key) ?? []);
      return options?.seenOnly && known.length === keys.length
        ? known
        : await messages.read(chatId, keys, options);
    },
  };
}
