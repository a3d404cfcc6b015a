/** A conversation of one owner. */
export interface Chat {
  id: string;
  /** The principal whose chat it is. */
  ownerId: string;
  title: string;
  /** The stored key of the newest message of the active branch; null while the chat is empty. */
  leafKey: string | null;
  /** Milliseconds since the Unix epoch. */
  createdAt: number;
  updatedAt: number;
}

/** The title of a chat that nobody has named, as the seed's server gives it. */
export const DEFAULT_TITLE = "New Chat";
