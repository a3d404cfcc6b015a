/** A file that a user gave a chat. */
export interface ChatFile {
  id: string;
  chatId: string;
  ownerId: string;
  /** As its bytes tell, whatever the client said. */
  mediaType: string;
  filename: string | null;
  /** In bytes. */
  size: number;
  createdAt: number;
}

/** The path under which a file is read; a message refers to it by this URL. */
export function filePath({ chatId, id }: Pick<ChatFile, "chatId" | "id">): string {
  return `/api/v2/chats/${chatId}/files/${id}`;
}

/** The id of the file that a URL of this server refers to; undefined for any other URL. */
export function fileIdOf(url: string): string | undefined {
  return /^\/api\/v2\/chats\/[0-9a-f-]{36}\/files\/([0-9a-f-]{36})$/.exec(url)?.[1];
}
