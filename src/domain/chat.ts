/** A conversation of one owner. */
export interface Chat {
  id: string;
  /** The principal who owns the chat. */
  ownerId: string;
  title: string;
  /** The stored key of the newest message of the active branch; null while the chat is empty. */
  leafKey: string | null;
  /** Milliseconds since the Unix epoch. */
  createdAt: number;
  updatedAt: number;
}

/** The title of an unnamed chat, as on the AgenticChat server. */
export const DEFAULT_TITLE = "New Chat";
