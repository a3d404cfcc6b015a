/** A file that a user uploaded to a chat. */
export interface ChatFile {
  id: string;
  chatId: string;
  ownerId: string;
  /** Detected from its bytes, whatever the client claims. */
  mediaType: string;
  filename: string | null;
  /** In bytes. */
  size: number;
  createdAt: number;
}

/** The path of a file, which messages use as its URL. */
export function filePath({ chatId, id }: Pick<ChatFile, "chatId" | "id">): string {
  return `/api/v2/chats/${chatId}/files/${id}`;
}

/** Stands for a `data:` URL whose contents are kept as a file: its id, and the URL up to its contents. */
const KEPT = "parley-data:";

/** The URL in a stored message of a file that came in a `data:` URL. */
export function keptUrl(id: string, head: string): string {
  return `${KEPT}${id},${head}`;
}

/** The `data:` URL that came, up to its contents; undefined if the URL is of another kind. */
export function keptHead(url: string): string | undefined {
  return url.startsWith(KEPT) ? url.slice(url.indexOf(",") + 1) : undefined;
}

/** The id of the file of this server that a stored URL refers to; undefined for any other URL. */
export function fileIdOf(url: string): string | undefined {
  return /^(?:\/api\/v2\/chats\/[0-9a-f-]{36}\/files\/([0-9a-f-]{36})$|parley-data:([0-9a-f-]{36}),)/
    .exec(url)?.slice(1).find(Boolean);
}
