/** The interfaces between the parts of Parley; `src/app.ts` connects them to implementations. */
import type { Attempt, AttemptEnd } from "./attempt.ts";
import type { Chat } from "./chat.ts";
import type { RunFailure } from "./errors.ts";
import type { ChatFile } from "./file.ts";
import type { LoggedEvent } from "./event.ts";
import type {
  AbandonedRun,
  ChatState,
  ChatView,
  EventGroup,
  FoundRun,
  KeyedSend,
  Lease,
  MessageOutline,
  QueuedSend,
  RunBeginning,
  RunEnding,
  RunIdentity,
  RunRecord,
  StoredMessage,
  Wanted,
} from "./records.ts";
import type { ToolCallStore } from "./tool_ports.ts";
import type { Usage } from "./usage.ts";

/** A place in a list of chats, which continues after it. */
export interface ChatCursor {
  updatedAt: number;
  id: string;
}

/** Chats. To every method, the chat of another owner does not exist. */
export interface ChatStore {
  create(chat: Chat, options: { titled: boolean }): Promise<void>;
  get(ownerId: string, id: string): Promise<Chat | undefined>;
  /** The newest first by `updatedAt`, then by id. */
  list(ownerId: string, page: { limit?: number; after?: ChatCursor }): Promise<Chat[]>;
  /** Sets a title that a user chose. Resolves to the chat, or undefined if there is none. */
  rename(ownerId: string, id: string, title: string, now: number): Promise<Chat | undefined>;
  /**
   * Chooses the active branch: the one that ends in that message. Resolves to the chat, or undefined
   * if there is no such message, it has others behind it, or the chat has a live run.
   */
  choose(ownerId: string, id: string, leafKey: string, now: number): Promise<Chat | undefined>;
  /**
   * Creates a chat with a copy of the branch up to the message with that key. It is copied by parts, and
   * nobody sees the chat before it is whole. Resolves to false if the source is deleted meanwhile.
   */
  fork(source: Chat, upToKey: string, fork: Chat): Promise<boolean>;
  /** Removes forks that were begun before `time` and never finished, because the process ended. */
  removeUnfinished(time: number): Promise<void>;
  /**
   * What the workspace told a chat's models when the chat began. If it was told nothing yet, `instructions`
   * says what, and that stays.
   */
  pin(id: string, instructions: () => Promise<string>): Promise<string>;
  /** Sets a generated title unless the chat has one. Resolves to whether it did. */
  nameOnce(ownerId: string, id: string, title: string): Promise<boolean>;
  /**
   * Deletes the chat and all that belongs to it except the ledger; false if there is none. Of a large
   * one something is left that nobody sees, for `removeRest`.
   */
  delete(ownerId: string, id: string): Promise<boolean>;
  /** Removes what is left of deleted chats, a part with each step. */
  removeRest(): AsyncIterable<void>;
}

/**
 * Messages of a chat, whose owner the caller has checked. Every method reads a bounded number of rows,
 * so that no call blocks the event loop for long.
 */
export interface MessageStore {
  /** The message with that key and those before it on its branch, newest first, at most `limit`. */
  outline(chatId: string, key: string, limit: number): Promise<MessageOutline[]>;
  /**
   * The messages with these keys, in this order; missing ones are left out. With `seenOnly`, without
   * metadata and the parts that no model sees, which are not read either.
   */
  read(
    chatId: string,
    keys: readonly string[],
    options?: { seenOnly: boolean },
  ): Promise<StoredMessage[]>;
  /** The keys of the messages with that client id on any branch, oldest first. */
  withId(chatId: string, id: string): Promise<string[]>;
  /** The keys of the newest message after that one, the newest after that and so on, up to `limit`. */
  descend(chatId: string, key: string, limit: number): Promise<string[]>;
  /** By key of each message that has siblings: the keys of them and itself, oldest first. */
  siblings(chatId: string, keys: readonly string[]): Promise<Map<string, string[]>>;
}

/** Runs of chats. */
export interface RunStore {
  /**
   * Stores the message and opens the run. Unless the message was queued, the queue is released.
   * `busy`: the chat has a live run, or the send's key is known. `moved`: the chat has changed since
   * `leafKey` was read, or the chat or the queued message is gone. In both cases nothing is stored.
   */
  begin(beginning: RunBeginning): Promise<"begun" | "busy" | "moved">;
  /** The chat's leaf and its live run; undefined if the owner has no such chat. */
  current(ownerId: string, chatId: string): Promise<ChatState | undefined>;
  /** The same with all else that a send is decided by, in one request; undefined as well. */
  view(ownerId: string, chatId: string, wanted: Wanted): Promise<ChatView | undefined>;
  find(ownerId: string, runId: string): Promise<FoundRun | undefined>;
  /** The stored answer of a run. */
  answer(run: RunRecord): Promise<StoredMessage | undefined>;
}

/** The logs of runs. */
export interface EventStore {
  /**
   * Appends the groups, then the endings, in one transaction. Resolves to the runs among them that
   * another process has taken over, or that are gone with their chat: nothing is stored of these,
   * except that an attempt given by its id is closed.
   */
  append(groups: EventGroup[], endings: RunEnding[]): Promise<ReadonlySet<string>>;
  /** The next page of a run's log after the event `after`, in order; empty at its end. */
  read(runId: string, after: number): Promise<LoggedEvent[]>;
  /** Removes the logs of runs that ended before `time`, a part with each step. */
  expire(time: number): AsyncIterable<void>;
}

/** The leases of live runs. */
export interface LeaseStore {
  /**
   * Live runs whose lease ended before `time`; without a time, all that are not `owner`'s. The one of a
   * chat, or a page of all, in the order of their chats.
   */
  abandoned(
    owner: string,
    time: number | undefined,
    of: { chatId: string } | { after: string },
  ): Promise<AbandonedRun[]>;
  /** How many there are. */
  countAbandoned(owner: string, time: number | undefined): Promise<number>;
  /** True if a live run is abandoned, or a message waits. */
  isAnyLeft(owner: string, time: number | undefined): Promise<boolean>;
  /** Takes over abandoned runs; resolves to the ids of those that no other process took first. */
  takeOver(runIds: readonly string[], lease: Lease, time: number | undefined): Promise<string[]>;
  /** Extends the leases of these live runs; resolves to those that are still the owner's. */
  renew(lease: Lease, runIds: readonly string[]): Promise<string[]>;
  /** Asks the owner of a live run to stop it; false if it is not live. */
  requestStop(ownerId: string, runId: string): Promise<boolean>;
  /** The live runs that this owner was asked to stop. */
  stopRequests(leaseOwner: string): Promise<string[]>;
}

/** The `Idempotency-Key`s of sends. */
export interface SendKeyStore {
  /** The run of a send with that key, and the hash of what was sent. */
  find(chatId: string, key: string): Promise<{ runId: string; hash: string } | undefined>;
  /** Keeps a key that joins a run; false if the key is known already. */
  keep(keyed: KeyedSend, run: RunIdentity): Promise<boolean>;
  /** Forgets keys from before `time`, some with each step. */
  expire(time: number): AsyncIterable<void>;
}

/** Makes what is stored survive a power cut. */
export interface Disk {
  /** Resolves once everything stored so far would survive a power cut. */
  durable(): Promise<void>;
}

/** Whether the database can be used. Both reject with what a client may see. */
export interface StorageHealth {
  /** Rejects with `unavailable` if what is stored now might be lost. */
  check(): Promise<void>;
  /** Rejects as well if the database does not answer, or cannot be written. */
  ready(): Promise<void>;
}

/** How many messages may wait. */
export interface QueueLimits {
  perChat: number;
  perUser: number;
  /** The most bytes of all that wait in a chat, unless a single message is longer. */
  bytesPerChat: number;
}

/** The queues of chats: messages that wait for the live run to end, in order of arrival. */
export interface QueueStore {
  /**
   * Stores the send and releases a held queue. `full`: as many wait as may. `repeated`: its key is known,
   * or the same message waits. `gone`: there is no such chat.
   */
  add(
    send: QueuedSend,
    keyed: KeyedSend | undefined,
    limits: QueueLimits,
  ): Promise<"added" | "full" | "repeated" | "gone">;
  /** All of a chat, those included that were refused. */
  list(ownerId: string, chatId: string): Promise<QueuedSend[]>;
  find(ownerId: string, runId: string): Promise<QueuedSend | undefined>;
  /** The next send; undefined if none waits or the queue is held. */
  next(chatId: string): Promise<QueuedSend | undefined>;
  /** Lets a send that has not begun wait no longer, and keeps why; false if it does not wait. */
  refuse(run: RunIdentity, failure: RunFailure): Promise<boolean>;
  /** Removes a send that has not begun, or all of the chat's. */
  remove(ownerId: string, chatId: string, runId?: string): Promise<boolean>;
  /** Holds the chat's queue if anything waits in it, or releases it. Resolves to whether it is held. */
  hold(ownerId: string, chatId: string, held: boolean): Promise<boolean>;
  isHeld(ownerId: string, chatId: string): Promise<boolean>;
  /** A page of the chats in which something waits, after that one, by owner and id. */
  waiting(after: Omit<WaitingChat, "isReady">): Promise<WaitingChat[]>;
}

/** A chat in which something waits. */
export interface WaitingChat {
  ownerId: string;
  chatId: string;
  /** True if the next send can begin: no run is live, and the queue is not held. */
  isReady: boolean;
}

/** Tokens and requests of one model on one day, or of one chat. */
export interface UsageRow {
  /** Such as `2026-11-23`, in UTC; null in the sums of a chat. */
  day: string | null;
  provider: string;
  model: string;
  attempts: number;
  usage: Usage;
  /** The mean time to the first content, in milliseconds; null if none came. */
  firstTokenMs: number | null;
}

/** Files in chats. A file may be in several chats, and is kept until the last is deleted. */
export interface FileStore {
  /**
   * Keeps a file, unless the chat has `perChat` files already, or its owner `perUser` in all chats. One
   * that the chat has already is `added`, too; `gone` if the chat is deleted meanwhile.
   */
  add(
    file: ChatFile,
    bytes: Uint8Array,
    limits: { perChat: number; perUser: number },
  ): Promise<"added" | "chat_full" | "user_full" | "gone">;
  /** The owner's files with these ids, each once and without its bytes: in that chat, else in any. */
  find(ownerId: string, ids: readonly string[], chatId: string): Promise<ChatFile[]>;
  /** How many files a chat has. */
  count(chatId: string): Promise<number>;
  /** The bytes of a file by pieces, each but the last of whole groups of three; none if it is gone. */
  read(id: string): AsyncIterable<Uint8Array<ArrayBuffer>>;
}

/** The ledger: one attempt for every request to a provider. */
export interface AttemptStore {
  /** Opens an attempt before its request goes out. False, with nothing opened, if its run has ended. */
  open(attempt: Attempt): Promise<boolean>;
  /** Closes an attempt, once. */
  close(id: string, end: AttemptEnd): Promise<void>;
  /** Closes the open attempts of a run, as `RunEnding.attempt` does without an id. */
  closeOpen(runId: string, end: AttemptEnd): Promise<void>;
  /** Closes the open attempts of titles that began before `time`. */
  closeTitles(time: number, end: AttemptEnd): Promise<void>;
  /** The sums of a chat, by model. */
  ofChat(ownerId: string, chatId: string): Promise<UsageRow[]>;
  /** The sums of an owner since `time`, by day and model, the newest day first. */
  since(ownerId: string, time: number): Promise<UsageRow[]>;
}

/** All that is stored, by its users. */
export interface Stores {
  attempts: AttemptStore;
  chats: ChatStore;
  disk: Disk;
  events: EventStore;
  files: FileStore;
  keys: SendKeyStore;
  leases: LeaseStore;
  messages: MessageStore;
  queue: QueueStore;
  runs: RunStore;
  toolCalls: ToolCallStore;
}
