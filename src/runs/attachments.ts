import { fileIdOf } from "../domain/file.ts";
import type { Part } from "../domain/message.ts";
import type { FileStore, StoredMessage } from "../domain/ports.ts";

/**
 * The branch with its files inside: a provider cannot read this server's own URLs. A file that is gone
 * is told by its name.
 */
export async function withFiles(
  branch: readonly StoredMessage[],
  ownerId: string,
  files: FileStore,
): Promise<StoredMessage[]> {
  return await Promise.all(branch.map(async (message) => {
    if (!message.parts.some(isOwnFile)) return message;
    const parts = await Promise.all(message.parts.map((part) => inline(part, ownerId, files)));
    return { ...message, parts };
  }));
}

function isOwnFile(part: Part): boolean {
  return part.type === "file" && fileIdOf(part.url) !== undefined;
}

async function inline(part: Part, ownerId: string, files: FileStore): Promise<Part> {
  const id = part.type === "file" ? fileIdOf(part.url) : undefined;
  if (part.type !== "file" || id === undefined) return part;
  const found = await files.read(ownerId, id);
  if (!found) return { type: "text", text: `[The file ${part.filename ?? id} is gone.]` };
  const { mediaType } = found.file;
  return { ...part, mediaType, url: `data:${mediaType};base64,${found.bytes.toBase64()}` };
}
