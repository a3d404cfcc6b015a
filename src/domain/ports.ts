/** What the parts need of each other: interfaces only. `src/app.ts` says who implements them. */
import type { Attempt, AttemptEnd } from "./attempt.ts";
import type { Chat } from "./chat.ts";
import type { RunFailure } from "./errors.ts";
import type { LoggedEvent, RunEvent } from "./event.ts";
import type { Message, MessageStatus } from "./message.ts";

/** A message with its place in the chat's tree. */
export interface StoredMessage extends Message {
  /** The stored key: unique among all messages, never shown to a client. */
  key: string;
  /** The key of the message before it; null for the first. */
  parentKey: string | null;
}

/** A place in a list of chats: the list goes on behind it. */
export interface ChatCursor {
  updatedAt: number;
  id: string;
}

/** Chats. Every method takes the owner: another's chat is as good as none. */
export interface ChatStore {
  create(chat: Chat, options: { titled: boolean }): Promise<void>;
  get(ownerId: string, id: string): Promise<Chat | undefined>;
  /** The newest first by `updatedAt`, then by id. */
  list(ownerId: string, page: { limit?: number; after?: ChatCursor }): Promise<Chat[]>;
  /** Gives a title that a person chose. Resolves to the chat, or undefined where there is none. */
  rename(ownerId: string, id: string, title: string, now: number): Promise<Chat | undefined>;
  /** Gives a generated title, unless a person chose one. Resolves to whether it was taken. */
  nameOnce(ownerId: string, id: string, title: string): Promise<boolean>;
  /** Deletes the chat with all that belongs to it, but for the ledger. */
  delete(ownerId: string, id: string): Promise<boolean>;
}

/** Messages of a chat. */
export interface MessageStore {
  /** The active branch, oldest first. */
  history(ownerId: string, chatId: string): Promise<StoredMessage[]>;
}

/** A run as the store knows it. */
export interface RunRecord {
  id: string;
  chatId: string;
  ownerId: string;
  /** The stored key of the message that it answers. */
  promptKey: string;
  /** The id of the assistant's message that it makes. */
  messageId: string;
  model: string;
  createdAt: number;
}

/** All that is stored when a run begins, in one transaction. */
export interface RunBeginning {
  run: RunRecord;
  /** The user's new message; null where a stored one is answered again. */
  message: StoredMessage | null;
  /** The chat's leaf that the decision was made on. */
  leafKey: string | null;
  attempt: Attempt;
}

/** All that is stored when a run ends, in one transaction. */
export interface RunEnding {
  run: RunRecord;
  state: MessageStatus;
  failure: RunFailure | null;
  endedAt: number;
  /** The answer; null where nothing was said. */
  message: StoredMessage | null;
  /** Null where the run's last attempt is closed already. */
  attempt: { id: string; end: AttemptEnd } | null;
}

/** One group of events of one run, with the number of its first event. */
export interface EventGroup {
  runId: string;
  first: number;
  events: RunEvent[];
}

/** Runs and their logs. */
export interface RunStore {
  /**
   * Stores the message and opens the run. `busy`: the chat has a live run. `moved`: the chat has
   * changed since `leafKey` was read, or is gone; nothing was stored in either case.
   */
  begin(beginning: RunBeginning): Promise<"begun" | "busy" | "moved">;
  /** Appends the groups, then the endings, in one transaction. */
  append(groups: EventGroup[], endings: RunEnding[]): Promise<void>;
  /** The live run of a chat. */
  live(ownerId: string, chatId: string): Promise<RunRecord | undefined>;
  /** Every run that no one has ended. */
  unfinished(): Promise<RunRecord[]>;
  /** The log of a run behind `after`, in order, at most `limit` groups. */
  events(runId: string, after: number, limit: number): Promise<LoggedEvent[]>;
  /** Removes logs of runs that ended before `time`. */
  expire(time: number): Promise<void>;
  /** Resolves once everything stored so far would survive a power cut. */
  durable(): Promise<void>;
}

/** The ledger of requests to providers. */
export interface Ledger {
  /** Opens a row before its request goes out. */
  open(attempt: Attempt): Promise<void>;
  close(id: string, end: AttemptEnd): Promise<void>;
}
