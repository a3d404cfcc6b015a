/** A chat in HTTP: the lookup by path, its JSON, and its schema. */
import { z } from "zod";
import type { Chat } from "../domain/chat.ts";
import { isoTime } from "../domain/iso_time.ts";
import { badRequest, nameSchema } from "../wire/validate.ts";
import type { HttpParts, RequestContext } from "./context.ts";
import { type Answer, answer, header, json } from "./describe.ts";
import { isRefused, notFound } from "./failure.ts";

/** The longest title of a chat, in characters. */
const TITLE_LENGTH = 200;

/** A time of Coder's API: RFC 3339 in UTC. */
export const timeSchema = () => z.iso.datetime().meta({ example: "2026-11-23T09:30:00.000Z" });

/** `codersdk.Chat`. */
export const chatSchema = () =>
  z.object({
    id: z.uuid(),
    created_at: timeSchema(),
    updated_at: timeSchema(),
    title: z.string(),
  }).meta({ id: "Chat" });

/** The chat of the documentation's examples. */
export const CHAT_EXAMPLE = {
  id: "497f6eca-6276-4993-bfeb-53cbbbba6f08",
  created_at: "2026-11-23T09:30:00.000Z",
  updated_at: "2026-11-23T09:31:12.480Z",
  title: "Sorting a list in Go",
};

/** A title that a request gives a chat. Its length counts whole characters, not UTF-16 units. */
export const titleSchema = nameSchema(2 * TITLE_LENGTH)
  .refine((value) => value.trim() !== "", "Expected a title, found only white space")
  .refine(
    (value) => [...value].length <= TITLE_LENGTH,
    `Expected at most ${TITLE_LENGTH} characters`,
  )
  .transform((value) => value.trim())
  .meta({
    minLength: 1,
    maxLength: TITLE_LENGTH,
    // Documents the checks above.
    pattern:
      "^[^\\u0000-\\u001f\\u007f-\\u009f]*[^\\s\\u0000-\\u001f\\u007f-\\u009f][^\\u0000-\\u001f\\u007f-\\u009f]*$",
    description: "The chat's title.",
    example: CHAT_EXAMPLE.title,
  });

/** The description of a response that is a new chat. */
export const createdChat: Answer = {
  ...answer("The new chat.", json(chatSchema, CHAT_EXAMPLE), {
    Location: header("The path of the chat."),
  }),
  links: {
    get: link("getChat"),
    send: link("createMessage"),
    history: link("listMessages"),
    name: link("updateChat"),
    fork: link("forkChat"),
    delete: link("deleteChat"),
  },
};

function link(operationId: string) {
  return { operationId, parameters: { chat: "$response.body#/id" } };
}

/** The response to a request that created a chat. It also notifies the chat's watchers. */
export function created(c: RequestContext, chat: Chat, { feed }: HttpParts): Response {
  feed.publish(chat.ownerId, { type: "chat.created", chat });
  return c.json(chatJson(chat), 201, { location: `/api/v2/chats/${chat.id}` });
}

/**
 * The chat that the path names.
 * @throws {AppError} `bad_request` if it is not a UUID; `not_found` if the user has no such chat.
 */
export async function ownChat(c: RequestContext, parts: HttpParts): Promise<Chat> {
  const { ownerId, id } = await namedChat(c, parts);
  const chat = await parts.chats.get(ownerId, id);
  if (!chat) throw notFound();
  return chat;
}

/** A chat that a path names, whether or not it is there. */
type NamedChat = Pick<Chat, "id" | "ownerId">;

/**
 * Gives `use` the chat that the path names without looking it up. A request that is refused hears
 * first that there is no such chat, whatever else is wrong with it.
 * @throws {AppError} as `ownChat` does, and whatever `use` throws.
 */
export async function withNamedChat<T>(
  c: RequestContext,
  parts: HttpParts,
  use: (chat: NamedChat) => Promise<T>,
): Promise<T> {
  const named = await namedChat(c, parts);
  try {
    return await use(named);
  } catch (error) {
    if (isRefused(error)) await ownChat(c, parts);
    throw error;
  }
}

async function namedChat(c: RequestContext, { runs }: HttpParts): Promise<NamedChat> {
  const id = idInPath(c, "chat");
  await runs.settle(id);
  return { id, ownerId: c.var.principal.id };
}

/**
 * An id in the path.
 * @throws {AppError} `bad_request` if it is not a UUID.
 */
export function idInPath(c: RequestContext, name: string): string {
  const id = c.req.param(name) ?? "";
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(id)) return id.toLowerCase();
  const message = `Invalid UUID ${JSON.stringify(id.slice(0, 100))}.`;
  throw badRequest(message, { field: name, detail: "Expected a UUID" });
}

/** A chat as `codersdk.Chat`. */
export function chatJson(chat: Chat): z.infer<ReturnType<typeof chatSchema>> {
  return {
    id: chat.id,
    created_at: isoTime(chat.createdAt),
    updated_at: isoTime(chat.updatedAt),
    title: chat.title,
  };
}
