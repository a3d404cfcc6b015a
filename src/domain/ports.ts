/** What the parts need of each other: interfaces only. `src/app.ts` says who implements them. */
import type { Attempt, AttemptEnd } from "./attempt.ts";
import type { Chat } from "./chat.ts";
import type { RunFailure } from "./errors.ts";
import type { ChatFile } from "./file.ts";
import type { LoggedEvent, RunEvent } from "./event.ts";
import type { JsonObject } from "./json.ts";
import type { Message, MessageStatus, Part } from "./message.ts";
import type { OutputFormat, ToolDefinition } from "./tool.ts";
import type { Usage } from "./usage.ts";

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
  /**
   * Chooses the active branch: the one through that message. Resolves to the chat; undefined where
   * there is no such message. @throws {AppError} `conflict` while the chat has a live run.
   */
  choose(ownerId: string, id: string, leafKey: string, now: number): Promise<Chat | undefined>;
  /** Makes a new chat that begins as the branch up to the message with that key. */
  fork(source: Chat, upToKey: string, fork: Chat): Promise<void>;
  /** Gives a generated title, unless a person chose one. Resolves to whether it was taken. */
  nameOnce(ownerId: string, id: string, title: string): Promise<boolean>;
  /** Deletes the chat with all that belongs to it, but for the ledger. */
  delete(ownerId: string, id: string): Promise<boolean>;
}

/** Messages of a chat. */
export interface MessageStore {
  /** The active branch, oldest first. */
  history(ownerId: string, chatId: string): Promise<StoredMessage[]>;
  /** The branch that goes through the message with that key, to the newest message behind it. */
  branch(ownerId: string, chatId: string, key: string): Promise<StoredMessage[]>;
  /** For each message that has siblings: the keys of all of them, oldest first. */
  siblings(ownerId: string, chatId: string): Promise<Map<string, string[]>>;
}

/** What is known of a run from the moment it is asked for. */
export interface RunIdentity {
  id: string;
  chatId: string;
  ownerId: string;
  /** The id of the assistant's message that it makes. */
  messageId: string;
  model: string;
  /** What its client speaks: a run that is joined without a sign is answered in it. */
  protocol: string;
  createdAt: number;
}

/** A run that has begun. */
export interface RunRecord extends RunIdentity {
  /** The stored key of the message that it answers. */
  promptKey: string;
  /** True where it was asked for text alone, without tools, a schema or thinking. */
  textOnly: boolean;
}

/** A send that may be repeated under its key. */
export interface KeyedSend {
  key: string;
  /** SHA-256 of what was sent. */
  hash: string;
}

/** All that is stored when a run begins, in one transaction. */
export interface RunBeginning {
  run: RunRecord;
  /** What it answers. */
  prompt: StoredMessage;
  /** Whether that is a new message, a stored one with new tool results, or one that stays as it is. */
  store: "insert" | "update" | "keep";
  /** The chat's leaf that the decision was made on. */
  leafKey: string | null;
  attempt: Attempt;
  lease: Lease;
  keyed: KeyedSend | undefined;
  /** True where the message has waited, and waits no more. */
  queued: boolean;
}

/** The word of a process that it makes a run. */
export interface Lease {
  owner: string;
  until: number;
}

/** All that is stored when a run ends, in one transaction. */
export interface RunEnding {
  run: RunRecord;
  state: MessageStatus;
  failure: RunFailure | null;
  endedAt: number;
  /** The answer; null where nothing was said. Its key is the prompt's where that is continued. */
  message: StoredMessage | null;
  /** The attempt that is still open; null where none is. */
  attempt: { id: string; end: AttemptEnd } | null;
}

/** One group of events of one run, with the number of its first event. */
export interface EventGroup {
  runId: string;
  first: number;
  events: RunEvent[];
}

/** A run that was asked for, with how it stands. */
export interface FoundRun {
  run: RunRecord;
  state: "running" | MessageStatus;
  /** Why it failed; null where it did not. */
  failure: RunFailure | null;
  /** The number of the last event in its log; 0 once the log has expired. */
  lastSeq: number;
}

/** Runs and their logs. */
export interface RunStore {
  /**
   * Stores the message and opens the run. `busy`: the chat has a live run, or the send's key is
   * known. `moved`: the chat has changed since `leafKey` was read, or is gone. Nothing was stored
   * in either case.
   */
  begin(beginning: RunBeginning): Promise<"begun" | "busy" | "moved">;
  /**
   * Appends the groups, then the endings, in one transaction. Resolves to the runs among them that
   * another process has taken over: of these nothing was stored.
   */
  append(groups: EventGroup[], endings: RunEnding[]): Promise<ReadonlySet<string>>;
  /** The live run of a chat. */
  live(ownerId: string, chatId: string): Promise<FoundRun | undefined>;
  /** The newest run of a chat. */
  latest(ownerId: string, chatId: string): Promise<FoundRun | undefined>;
  find(ownerId: string, runId: string): Promise<FoundRun | undefined>;
  /** The answer that a run left, where it left one. */
  answer(run: RunRecord): Promise<StoredMessage | undefined>;
  /** Live runs whose lease ended before `time`, or are not `owner`'s where `time` is undefined. */
  abandoned(owner: string, time: number | undefined): Promise<FoundRun[]>;
  /** Takes over an abandoned run; false where another process was faster. */
  takeOver(run: RunRecord, lease: Lease, time: number | undefined): Promise<boolean>;
  /** Makes the leases of these live runs longer; resolves to those that are still the owner's. */
  renew(lease: Lease, runIds: string[]): Promise<string[]>;
  /** Asks whoever makes a live run to stop it; false where it is not live. */
  requestStop(ownerId: string, runId: string): Promise<boolean>;
  /** The live runs of a lease's owner that were asked to stop. */
  stopRequests(leaseOwner: string): Promise<string[]>;
  /** The log of a run behind `after`, in order, at most `limit` groups. */
  events(runId: string, after: number, limit: number): Promise<LoggedEvent[]>;
  /** Removes the logs of runs that ended before `time`, a part with each step: between them wait others. */
  expireLogs(time: number): AsyncIterable<void>;
  /** The run of a send with that key, and the hash of what was sent. */
  keyed(chatId: string, key: string): Promise<{ runId: string; hash: string } | undefined>;
  /** Keeps a key that joins a run; false where it is known already. */
  keepKey(keyed: KeyedSend, run: RunIdentity): Promise<boolean>;
  /** Forgets keys of before `time`. */
  expireKeys(time: number): Promise<void>;
  /** Resolves once everything stored so far would survive a power cut. */
  durable(): Promise<void>;
}

/** A message that waits for the chat's live run to end. */
export interface QueuedSend {
  run: RunIdentity;
  /** What was sent, as it will be answered. */
  request: QueuedRequest;
}

/** What is kept of a send that waits. */
export interface QueuedRequest {
  message: { id: string; role: "user" | "assistant"; parts: Part[]; metadata: JsonObject };
  thinking: boolean;
  tools: ToolDefinition[];
  output: OutputFormat | null;
}

/** Messages that wait, by chat, in the order in which they came. */
export interface QueueStore {
  /**
   * Stores the send; `full` where the chat has `limit` already, `repeated` where its key is known or
   * the same message waits.
   */
  add(
    send: QueuedSend,
    keyed: KeyedSend | undefined,
    limit: number,
  ): Promise<"added" | "full" | "repeated">;
  list(ownerId: string, chatId: string): Promise<QueuedSend[]>;
  find(ownerId: string, runId: string): Promise<QueuedSend | undefined>;
  first(chatId: string): Promise<QueuedSend | undefined>;
  /** Removes a send that has not begun. */
  remove(ownerId: string, chatId: string, runId: string): Promise<boolean>;
  /** The chats that have sends waiting, and no live run. */
  chats(): Promise<string[]>;
}

/** Tokens and requests of one model on one day, or of one chat. */
export interface UsageRow {
  /** `2026-11-23`, in UTC; null where rows are not by day. */
  day: string | null;
  provider: string;
  model: string;
  attempts: number;
  usage: Usage;
  /** The mean time to the first content, in milliseconds; null where none came. */
  firstTokenMs: number | null;
}

/** Files that users gave their chats. */
export interface FileStore {
  /** Keeps a file; false where the chat has `limit` files already. */
  add(file: ChatFile, bytes: Uint8Array, limit: number): Promise<boolean>;
  /** A file of the owner, in whichever of its chats, without its bytes. */
  find(ownerId: string, id: string): Promise<ChatFile | undefined>;
  /** The same with its bytes. */
  read(ownerId: string, id: string): Promise<{ file: ChatFile; bytes: Uint8Array } | undefined>;
}

/** The ledger of requests to providers. */
export interface Ledger {
  /** Opens a row before its request goes out. */
  open(attempt: Attempt): Promise<void>;
  /** Closes a row, once. */
  close(id: string, end: AttemptEnd): Promise<void>;
  /**
   * Closes the rows that a run's former process left open. The output tokens are those of the whole
   * run: what its closed rows have of them stays theirs.
   */
  closeOpen(runId: string, end: AttemptEnd): Promise<void>;
  /** Closes rows of titles that began before `time` and that nobody closed. */
  closeTitles(time: number, end: AttemptEnd): Promise<void>;
  /** The sums of a chat, by model. */
  ofChat(ownerId: string, chatId: string): Promise<UsageRow[]>;
  /** The sums of an owner since `time`, by day and model, the newest day first. */
  since(ownerId: string, time: number): Promise<UsageRow[]>;
}
