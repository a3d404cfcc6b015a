/** The stored form of messages, runs and queues. */
import type { GivenAnswer, JournaledCall, Unattended } from "./approval.ts";
import type { Attempt, AttemptEnd } from "./attempt.ts";
import type { Chat } from "./chat.ts";
import type { RunFailure } from "./errors.ts";
import type { RunEvent } from "./event.ts";
import type { JsonObject } from "./json.ts";
import type { Message, MessageStatus, Part, Role } from "./message.ts";
import type { OutputFormat, ToolDefinition } from "./tool.ts";

/** A message and its place in the chat's tree. */
export interface StoredMessage extends Message {
  /** The stored key: unique among all messages, never shown to a client. */
  key: string;
  /** The key of the message before it; null for the first. */
  parentKey: string | null;
}

/** A message of a branch without its contents. */
export interface MessageOutline {
  key: string;
  id: string;
  parentKey: string | null;
  role: Role;
  /** The size of the parts that a model may be given, as JSON, in bytes. */
  size: number;
  /** The size of everything else in it. */
  rest: number;
}

/** The data of a run from the request on, even while it waits in the queue. */
export interface RunIdentity {
  id: string;
  chatId: string;
  ownerId: string;
  /** The id of its answer. */
  messageId: string;
  model: string;
  /** The protocol of its client, for readers that do not name one. */
  protocol: string;
  createdAt: number;
}

/** A run that has begun. */
export interface RunRecord extends RunIdentity {
  /** The stored key of the message that it answers. */
  promptKey: string;
  /** True if the request asked for text alone: no tools, no schema, no thinking. */
  textOnly: boolean;
}

/** A run and its state. */
export interface FoundRun {
  run: RunRecord;
  state: "running" | MessageStatus;
  /** Why it failed; null if it did not. */
  failure: RunFailure | null;
  /** The number of the last event in its log; 0 once the log has expired. */
  lastSeq: number;
  /** The process that makes it, or made it. */
  owner: string;
}

/** A live run that its process has left. */
export interface AbandonedRun extends FoundRun {
  /** The estimated tokens of the prompt that it has sent and that was not answered to the end. */
  askedTokens: number;
}

/** The state of a chat, read at one moment. */
export interface ChatState {
  leafKey: string | null;
  live: FoundRun | undefined;
  /** The number of messages in its queue. */
  waiting: number;
  /** True if they wait until they are let go on. */
  isHeld: boolean;
  /** The size of its messages, also of those that wait, in bytes. A message counts 1 KiB at least. */
  bytes: number;
}

/** What is wanted of a chat that a message is sent to. */
export interface Wanted {
  /** The id of the message. */
  messageId: string;
  /** The send's `Idempotency-Key`. */
  key: string | undefined;
  /** The key of a message whose contents are known, and those of all before it. */
  sinceKey: string | null;
}

/** A chat that a message is sent to, with what decides about the message, read at one moment. */
export interface ChatView {
  chat: Chat;
  state: ChatState;
  /** The run of a send with that key, and the hash of what was sent. */
  keyed: { runId: string; hash: string } | undefined;
  /** The keys of the messages with that id on any branch. */
  named: string[];
  /**
   * The end of the active branch, newest first: some messages down to `sinceKey`. None while a run is
   * live.
   */
  branch: (MessageOutline & {
    /** Undefined for a message that is known or large. It has only what a model sees. */
    message: StoredMessage | undefined;
  })[];
}

/** A send that may be repeated under its key. */
export interface KeyedSend {
  key: string;
  /** SHA-256 of what was sent. */
  hash: string;
}

/** A process's claim on a run. */
export interface Lease {
  owner: string;
  until: number;
}

/** The data that one transaction stores when a run begins. */
export interface RunBeginning {
  run: RunRecord;
  /** The message that it answers. */
  prompt: StoredMessage;
  /** What to do with it: a stored message may have new tool results, or stay as it is. */
  store: "insert" | "update" | "keep";
  /** The chat's leaf when the request was checked. */
  leafKey: string | null;
  attempt: Attempt;
  lease: Lease;
  keyed: KeyedSend | undefined;
  /** True if the message comes from the queue. */
  queued: boolean;
  /** The files in the prompt; the chat gets those that it does not have yet. */
  fileIds: string[];
  /** Set if it goes on after approvals: those that are answered with it, and the ids of all. */
  approvals?: { answers: GivenAnswer[]; ids: string[] };
}

/** Consecutive events of one run, with the number of the first. */
export interface EventGroup {
  runId: string;
  first: number;
  events: RunEvent[];
}

/** The data that one transaction stores when a run ends. */
export interface RunEnding {
  run: RunRecord;
  state: MessageStatus;
  failure: RunFailure | null;
  endedAt: number;
  /** The answer; null if it says nothing. It has the prompt's key if it continues the prompt. */
  message: StoredMessage | null;
  /**
   * The open attempt, or null. Without an id: all that a former process left open. The output tokens are
   * then those of the whole run, including those of closed attempts.
   */
  attempt: { id?: string; end: AttemptEnd } | null;
  /**
   * Set if tools of this server were called: what becomes of calls that may have run and of those that
   * had a yes, and the calls that wait for one.
   */
  calls?: { begun: "done" | "unknown"; asked: readonly JournaledCall[] } | undefined;
}

/** A message that waits for the chat's live run to end, or could not be begun. */
export interface QueuedSend {
  run: RunIdentity;
  request: QueuedRequest;
  /** Why it waits no longer; null as long as it does. */
  failure: RunFailure | null;
}

/** The message and the options of a send that waits. */
export interface QueuedRequest {
  message: { id: string; role: "user" | "assistant"; parts: Part[]; metadata: JsonObject };
  thinking: boolean;
  tools: ToolDefinition[];
  output: OutputFormat | null;
  unattended: Unattended;
}
