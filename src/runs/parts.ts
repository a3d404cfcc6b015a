import type { Unattended } from "../domain/approval.ts";
import type { Clock, IdGenerator } from "../domain/clock.ts";
import type { InterruptPolicy, LogDurability } from "../domain/policies.ts";
import type { PlaceLimits } from "../domain/places.ts";
import type { QueueLimits, Stores } from "../domain/ports.ts";
import type { Toolbox } from "../domain/tool_ports.ts";
import type { ModelCall } from "../models/call.ts";
import type { ModelCatalog } from "../models/catalog.ts";
import type { Logger } from "../observe/log.ts";
import type { Conversation } from "./conversation.ts";
import type { ChatFeed } from "./feed.ts";
import type { Ownership } from "./ownership.ts";
import type { SystemPrompts } from "./system_prompt.ts";

/** All that runs are built from. Each part of them names what it takes. */
export interface Parts extends Omit<Stores, "messages"> {
  ownership: Ownership;
  conversation: Conversation;
  catalog: ModelCatalog;
  call: ModelCall;
  feed: ChatFeed;
  clock: Clock;
  ids: IdGenerator;
  logger: Logger;
  toolbox: Toolbox;
  /** The most requests to the model in one run that calls tools. */
  toolSteps: number;
  /** How long a call may wait for a yes, in milliseconds. */
  approvalMs: number;
  /** How many files tools may add, and how large each may be. */
  fileLimits: { perChat: number; perUser: number; bytes: number };
  /** The id of the model that names chats, if one is configured. */
  titleModel: string | undefined;
  systemPrompts: SystemPrompts;
  /** The most that the messages of a chat may hold, in bytes. */
  chatBytes: number;
  /** The most that the results of tools may add to a message, in characters of JSON. */
  messageChars: number;
  /** The largest answer that the database takes, in bytes. */
  storedAnswer: number;
  /** The most tokens that a model may answer with. */
  outputTokens: number | undefined;
  /** How often a request is tried again before its first content. */
  retries: number;
  /** The longest that a run may take, in milliseconds. */
  deadlineMs: number;
  /** Models to ask if one does not answer, by id. */
  fallbacks: Readonly<Record<string, string[]>>;
  onInterrupt: InterruptPolicy;
  /** What becomes of calls that need a yes unless a message says otherwise. */
  unattended: Unattended;
  /** How many runs there may be at once, and how many messages that wait for theirs. */
  runLimits: PlaceLimits;
  queueLimits: QueueLimits;
  durability: LogDurability;
  /** How long the log of an ended run is kept, in milliseconds. */
  logMs: number;
}
