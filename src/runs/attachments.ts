import type { LanguageModelV4FilePart, LanguageModelV4Message } from "@ai-sdk/provider";
import { AppError } from "../domain/errors.ts";
import { fileIdOf, keptHead } from "../domain/file.ts";
import type { FilePart, Part } from "../domain/message.ts";
import type { FileStore } from "../domain/ports.ts";
import {
  type AttachedFiles,
  base64Of,
  newPlaceholder,
  type SizedFile,
} from "../domain/attached.ts";
import type { CatalogModel } from "../models/catalog.ts";
import { takesFile } from "../models/fit.ts";
import { charactersFor, estimateFileTokens } from "../domain/usage.ts";
import { OWN_FILE, type Prompt } from "./prompt.ts";

type UserPart = Extract<LanguageModelV4Message, { role: "user" }>["content"][number];
type Chat = { chatId: string; ownerId: string };

/**
 * A prompt, and the files to be put into its request, since a provider cannot read their URLs. Its size
 * includes them, in base64.
 */
export interface PromptWithFiles extends Prompt {
  files: AttachedFiles<SizedFile>;
}

/**
 * The prompt with placeholders for the files of this server, which are not read before it is sent. A line
 * of text stands for a file that is gone.
 */
export async function withFiles(
  prompt: Prompt,
  chat: Chat,
  files: FileStore,
): Promise<PromptWithFiles> {
  const names = namesIn(prompt);
  const attached = new Map<string, SizedFile>();
  if (names.size === 0) return { ...prompt, files: attached };
  let { size, characters } = prompt;
  const known = new Map<string, Pick<LanguageModelV4FilePart, "mediaType" | "data">>();
  for (const file of await files.find(chat.ownerId, [...names.keys()], chat.chatId)) {
    const { id, mediaType } = file;
    const times = names.get(id)!;
    size += times * Math.ceil(file.size / 3) * 4;
    characters += times * charactersFor(estimateFileTokens(mediaType, file.size));
    const { placeholder, data } = newPlaceholder();
    attached.set(placeholder, { times, size: file.size, base64: () => base64Of(files.read(id)) });
    known.set(id, { mediaType, data: { type: "data", data: file.size === 0 ? "" : data } });
  }
  const inline = (part: UserPart): UserPart => {
    const id = fileIdIn(part);
    if (part.type !== "file" || id === undefined) return part;
    const file = known.get(id);
    return file
      ? { ...part, ...file, ...(isAsIs(part) && { mediaType: part.mediaType }) }
      : { type: "text", text: `[The file ${part.filename ?? id} is gone.]` };
  };
  const messages = prompt.messages.map((message) =>
    message.role === "user" ? { ...message, content: message.content.map(inline) } : message
  );
  return { ...prompt, messages, size, characters, files: attached };
}

/** How often a prompt names each file of this server. */
function namesIn({ messages }: Prompt): Map<string, number> {
  const times = new Map<string, number>();
  for (const message of messages) {
    for (const part of message.role === "user" ? message.content : []) {
      const id = fileIdIn(part);
      if (id !== undefined) times.set(id, (times.get(id) ?? 0) + 1);
    }
  }
  return times;
}

function fileIdIn(part: UserPart): string | undefined {
  if (part.type !== "file" || part.data.type !== "url") return undefined;
  const { protocol, pathname } = part.data.url;
  return protocol === OWN_FILE ? pathname : undefined;
}

/** True for a file that keeps the type that it came with. */
function isAsIs({ data }: LanguageModelV4FilePart): boolean {
  return data.type === "url" && data.url.search !== "";
}

/** @throws {AppError} `bad_request` if a message has a file that its model cannot read. */
export async function refuseUnreadable(
  { parts }: { parts: readonly Part[] },
  model: CatalogModel,
  chat: Chat,
  files: FileStore,
): Promise<void> {
  const own = parts.flatMap((part) => part.type === "file" ? storedId(part) ?? [] : []);
  const stored = own.length > 0 ? await files.find(chat.ownerId, own, chat.chatId) : [];
  const types = new Map(stored.map(({ id, mediaType }) => [id, mediaType]));
  parts.forEach((part, at) => {
    if (part.type !== "file") return;
    const mediaType = types.get(storedId(part) ?? "") ?? part.mediaType;
    if (takesFile(model.type, mediaType)) return;
    const detail = `Expected a file that this model reads, found ${mediaType}`;
    throw new AppError("bad_request", `The model ${model.id} cannot read such a file`, {
      validations: [{ field: `message.parts.${at}`, detail }],
    });
  });
}

/** The id of a file whose type this server knows better than the message. */
function storedId({ url, mediaType }: FilePart): string | undefined {
  return keptHead(url) === undefined || mediaType.includes("*") ? fileIdOf(url) : undefined;
}
