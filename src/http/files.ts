/** Files of messages: taken from a message that comes, and put back into one that is shown. */
import { release } from "../domain/bytes.ts";
import { type Attached, base64Of, newPlaceholder } from "../domain/attached.ts";
import type { Chat } from "../domain/chat.ts";
import { AppError } from "../domain/errors.ts";
import { type ChatFile, fileIdOf, filePath, keptHead, keptUrl } from "../domain/file.ts";
import { sha256 } from "../domain/hash.ts";
import type { FilePart, Message, Part } from "../domain/message.ts";
import { Pauses } from "../domain/pauses.ts";
import { invalidMessage } from "../wire/validate.ts";
import type { HttpParts } from "./context.ts";
import { notFound } from "./failure.ts";
import { mediaTypeOf } from "./media_type.ts";

/** A `data:` URL that is longer is kept as a file, in characters. */
const LONG = 64 * 1024;

/** How much of a `data:` URL is decoded at once, in characters: whole groups of four. */
const PIECE = 512 * 1024;

/**
 * A message names only files that its sender has. Those of another chat become this chat's when the
 * message is stored, so that they outlive the other; their URLs say so from now on. What comes in a
 * long `data:` URL is kept as a file, so that no message is large.
 * @throws {AppError} `bad_request` for a file that is not there, `conflict` if the chat or the user
 * would have too many.
 */
export async function keepFiles(
  { parts }: { parts: Part[] },
  chat: Pick<Chat, "id" | "ownerId">,
  http: HttpParts,
): Promise<void> {
  const named = new Map<string, number>();
  for (const [index, part] of parts.entries()) {
    if (part.type !== "file") continue;
    const id = fileIdOf(part.url);
    if (id !== undefined) named.set(id, index);
    else if (part.url.startsWith("data:")) {
      await takeData(part, `message.parts.${index}.url`, chat, http);
    }
  }
  if (named.size === 0) return;
  const found = await http.files.find(chat.ownerId, [...named.keys()], chat.id);
  const known = new Map(found.map((file) => [file.id, file]));
  for (const [id, index] of named) {
    if (known.has(id)) continue;
    throw invalidMessage(`message.parts.${index}.url`, "Expected a file that was uploaded");
  }
  for (const part of parts) {
    const id = part.type === "file" ? fileIdOf(part.url) : undefined;
    if (part.type === "file" && id !== undefined && keptHead(part.url) === undefined) {
      part.url = filePath({ chatId: chat.id, id });
    }
  }
  const added = found.filter(({ chatId }) => chatId !== chat.id).length;
  const { filesPerChat } = http.limits;
  if (added > 0 && await http.files.count(chat.id) + added > filesPerChat) {
    throw notAdded("chat_full", http);
  }
}

/** The error for a file that was not added: one too many, or its chat is gone. */
export function notAdded(
  why: "chat_full" | "user_full" | "gone",
  { limits }: Pick<HttpParts, "limits">,
): AppError {
  if (why === "gone") return notFound();
  return why === "chat_full"
    ? new AppError("conflict", "The chat has too many files", {
      detail: `Expected at most ${limits.filesPerChat}.`,
    })
    : new AppError("conflict", "You have too many files", {
      detail: `Expected at most ${limits.filesPerUser}. Delete chats that have some.`,
    });
}

/** Types that browsers give to files that they know nothing of, or take for something else. */
const UNKNOWN = /^(application\/octet-stream)?$/;
const MISTAKEN = /^(video\/mp2t|application\/vnd\.ms-excel)$/;

/** Takes a `data:` URL: a type that its client did not know is seen by its contents. */
async function takeData(
  part: FilePart,
  field: string,
  chat: Pick<Chat, "id" | "ownerId">,
  http: HttpParts,
): Promise<void> {
  if (part.url === "data:") part.url = `data:${part.mediaType};base64,`;
  const [isUnknown, isMistaken] = [UNKNOWN, MISTAKEN].map((types) => types.test(part.mediaType));
  const isLong = part.url.length > LONG;
  if (!isLong && !isUnknown && !isMistaken) return;
  const comma = part.url.indexOf(",") + 1;
  const bytes = await decoded(part.url.slice(comma)).catch(() => {
    throw invalidMessage(field, "Expected base64");
  });
  const seen = await mediaTypeOf(bytes);
  if (isUnknown || (isMistaken && seen === "text/plain")) part.mediaType = seen;
  if (isLong) part.url = await keepData(bytes, seen, part.url.slice(0, comma), chat, http);
}

/** Keeps the contents of a `data:` URL and gives the URL that stands for it. The same is kept once. */
async function keepData(
  bytes: Uint8Array<ArrayBuffer>,
  mediaType: string,
  head: string,
  chat: Pick<Chat, "id" | "ownerId">,
  http: HttpParts,
): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
  const file: ChatFile = {
    id: uuidOf(sha256(`${chat.ownerId} ${digest.toHex()}`)),
    chatId: chat.id,
    ownerId: chat.ownerId,
    mediaType,
    filename: null,
    size: bytes.length,
    createdAt: http.clock.now(),
  };
  const added = await http.files.add(file, bytes, {
    perChat: http.limits.filesPerChat,
    perUser: http.limits.filesPerUser,
  }).finally(() => release(bytes));
  if (added !== "added") throw notAdded(added, http);
  return keptUrl(file.id, head);
}

async function decoded(base64: string): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(Math.ceil(base64.length / 4) * 3);
  let length = 0;
  const pauses = new Pauses();
  for (let at = 0; at < base64.length; at += PIECE) {
    const piece = Uint8Array.fromBase64(base64.slice(at, at + PIECE));
    bytes.set(piece, length);
    length += piece.length;
    await pauses.next();
  }
  return bytes.subarray(0, length);
}

function uuidOf(hex: string): string {
  return hex.slice(0, 32).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** A message as it came, with placeholders in its `data:` URLs that are kept as files. */
export function asItCame<M extends Pick<Message, "parts">>(
  message: M,
  { files }: HttpParts,
  attached: Map<string, Attached>,
): M {
  const parts = message.parts.map((part): Part => {
    const head = part.type === "file" ? keptHead(part.url) : undefined;
    if (part.type !== "file" || head === undefined) return part;
    const id = fileIdOf(part.url)!;
    const { placeholder, data } = newPlaceholder();
    attached.set(placeholder, { times: 1, base64: () => base64Of(files.read(id)) });
    return { ...part, url: head + data };
  });
  return { ...message, parts };
}
