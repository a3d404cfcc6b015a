/**
 * The tables. A change here becomes a migration by `deno task db:generate`. Only their types are used at
 * run time: Drizzle's queries took a seventh of a start.
 */
import { sql } from "drizzle-orm";
import {
  blob,
  index,
  integer,
  primaryKey,
  sqliteTable,
  text,
  uniqueIndex,
} from "drizzle-orm/sqlite-core";
import type { CallState } from "../domain/approval.ts";
import type { RunFailure } from "../domain/errors.ts";
import type { QueuedRequest, RunIdentity } from "../domain/records.ts";

/** The condition of a live run, without a parameter, so that SQLite uses the indexes with it. */
const IS_LIVE = sql`state = 'running'`;

/** Conversations. `leaf_key` is the newest message of the active branch. */
export const chats = sqliteTable("chats", {
  id: text().primaryKey(),
  ownerId: text("owner_id").notNull(),
  title: text().notNull(),
  /** True once a user chose the title, so that a generated one never replaces it. */
  titled: integer({ mode: "boolean" }).notNull().default(false),
  leafKey: text("leaf_key"),
  /** True if the next message in its queue does not begin by itself. */
  queueHeld: integer("queue_held", { mode: "boolean" }).notNull().default(false),
  /** The size of its messages, kept by triggers of `messages`: see the migration `bounds`. */
  bytes: integer().notNull().default(0),
  /** What the workspace told its models when it began; null if it has not. */
  instructions: text(),
  createdAt: integer("created_at").notNull(),
  updatedAt: integer("updated_at").notNull(),
}, (t) => [index("chats_by_owner").on(t.ownerId, t.updatedAt, t.id)]);

/** Messages in neutral form, a tree by `parent_key`. Clients know only `id`. */
export const messages = sqliteTable(
  "messages",
  {
    key: text().primaryKey(),
    chatId: text("chat_id").notNull().references(() => chats.id, { onDelete: "cascade" }),
    id: text().notNull(),
    parentKey: text("parent_key"),
    role: text().$type<"system" | "user" | "assistant">().notNull(),
    parts: text().notNull(),
    metadata: text().notNull(),
    status: text().$type<"completed" | "stopped" | "interrupted" | "failed">().notNull(),
    model: text(),
    finishReason: text("finish_reason"),
    usage: text(),
    createdAt: integer("created_at").notNull(),
    /** With the status `failed`: the `RunFailure` as JSON. */
    failure: text(),
    /** The parts that no model sees, each with its place, as JSON; null if there are none. */
    unseen: text(),
  },
  (t) => [
    index("messages_by_id").on(t.chatId, t.id),
    index("messages_by_parent").on(t.chatId, t.parentKey),
  ],
);

/** Runs, each of which makes one answer. A unique index allows each chat one live run. */
export const runs = sqliteTable("runs", {
  id: text().primaryKey(),
  chatId: text("chat_id").notNull().references(() => chats.id, { onDelete: "cascade" }),
  ownerId: text("owner_id").notNull(),
  /** The stored key of the message that it answers. */
  promptKey: text("prompt_key").notNull(),
  /** The id of its answer. */
  messageId: text("message_id").notNull(),
  model: text().notNull(),
  /** The protocol of its client. */
  protocol: text().notNull(),
  state: text().$type<"running" | "completed" | "stopped" | "interrupted" | "failed">().notNull(),
  /** The failure as JSON, if it failed. */
  failure: text(),
  createdAt: integer("created_at").notNull(),
  endedAt: integer("ended_at"),
  /** The process that makes it, and the end of its claim. */
  leaseOwner: text("lease_owner").notNull(),
  leaseUntil: integer("lease_until").notNull(),
  /** True once another process was asked to stop it; its own looks now and then. */
  stopRequested: integer("stop_requested", { mode: "boolean" }).notNull().default(false),
  /** True if the request asked for text alone: no tools, no schema, no thinking. */
  textOnly: integer("text_only", { mode: "boolean" }).notNull().default(false),
  /** 1 while its log is kept, 2 while it is being removed, then 0. */
  logged: integer({ mode: "boolean" }).notNull().default(true),
  /** The first and last bucket of its log; the last is null while more may come. */
  firstBucket: integer("first_bucket").notNull().default(0),
  lastBucket: integer("last_bucket"),
}, (t) => [
  uniqueIndex("runs_live").on(t.chatId).where(IS_LIVE),
  index("runs_by_chat").on(t.chatId, t.createdAt),
  index("runs_by_lease").on(t.leaseUntil).where(IS_LIVE),
  index("runs_logged").on(t.endedAt).where(sql`logged`),
]);

/** The condition of a message that waits, without a parameter for the same reason. */
const WAITS = sql`failure IS NULL`;

/** Messages that wait for the chat's live run to end, or could not be begun, with the id of their run. */
export const queue = sqliteTable("queue", {
  runId: text("run_id").primaryKey(),
  chatId: text("chat_id").notNull().references(() => chats.id, { onDelete: "cascade" }),
  ownerId: text("owner_id").notNull(),
  messageId: text("message_id").notNull(),
  /** The message, the model and the options of the send, as JSON. */
  request: text({ mode: "json" }).$type<
    QueuedRequest & Pick<RunIdentity, "model" | "protocol">
  >().notNull(),
  createdAt: integer("created_at").notNull(),
  /** Why it could not be begun; null while it waits. */
  failure: text({ mode: "json" }).$type<RunFailure>(),
}, (t) => [
  index("queue_by_chat").on(t.chatId, t.createdAt, t.runId),
  // With its condition's column, or it would be looked up behind the message.
  index("queue_waiting").on(t.ownerId, t.chatId, t.failure).where(WAITS),
]);

/** Sends with an `Idempotency-Key`, for a day: a repeat finds its run here. */
export const sends = sqliteTable("sends", {
  chatId: text("chat_id").notNull(),
  key: text().notNull(),
  /** SHA-256 of what was sent: the same key with another body is refused. */
  hash: text().notNull(),
  runId: text("run_id").notNull(),
  createdAt: integer("created_at").notNull(),
}, (t) => [primaryKey({ columns: [t.chatId, t.key] }), index("sends_by_time").on(t.createdAt)]);

/** A run's log: a row holds the events `seq` to `last_seq` as a JSON array. */
export const events = sqliteTable("events", {
  /** Shared by rows that were written about the same time. */
  bucket: integer().notNull(),
  runId: text("run_id").notNull(),
  seq: integer().notNull(),
  lastSeq: integer("last_seq").notNull(),
  data: text().notNull(),
}, (t) => [primaryKey({ columns: [t.bucket, t.runId, t.seq] })]);

/** Files in chats: a row for each chat that a file is in. */
export const files = sqliteTable("files", {
  id: text().notNull(),
  chatId: text("chat_id").notNull().references(() => chats.id, { onDelete: "cascade" }),
  ownerId: text("owner_id").notNull(),
  mediaType: text("media_type").notNull(),
  filename: text(),
  size: integer().notNull(),
  createdAt: integer("created_at").notNull(),
}, (t) => [
  primaryKey({ columns: [t.chatId, t.id] }),
  index("files_by_id").on(t.id),
  index("files_by_owner").on(t.ownerId, t.id),
]);

/** The bytes of files in pieces, once for all chats that a file is in. */
export const filePieces = sqliteTable("file_pieces", {
  id: text().notNull(),
  at: integer().notNull(),
  bytes: blob({ mode: "buffer" }).notNull(),
}, (t) => [primaryKey({ columns: [t.id, t.at] })]);

/** The ledger: one row for every request to a provider, opened before it and closed after it. */
export const attempts = sqliteTable("attempts", {
  id: text().primaryKey(),
  /** Null for a title, which belongs to a chat and to no run. */
  runId: text("run_id"),
  chatId: text("chat_id").notNull(),
  ownerId: text("owner_id").notNull(),
  kind: text().$type<"answer" | "title" | "retry">().notNull(),
  provider: text().notNull(),
  model: text().notNull(),
  startedAt: integer("started_at").notNull(),
  /** Milliseconds from the start to the first content. */
  firstTokenMs: integer("first_token_ms"),
  endedAt: integer("ended_at"),
  outcome: text().$type<"open" | "completed" | "stopped" | "interrupted" | "failed">().notNull(),
  failureClass: text("failure_class"),
  inputTokens: integer("input_tokens").notNull().default(0),
  outputTokens: integer("output_tokens").notNull().default(0),
  cachedTokens: integer("cached_tokens").notNull().default(0),
  reasoningTokens: integer("reasoning_tokens").notNull().default(0),
  estimated: integer({ mode: "boolean" }).notNull().default(false),
}, (t) => [
  index("attempts_by_chat").on(t.chatId, t.startedAt),
  index("attempts_by_owner").on(t.ownerId, t.startedAt),
  index("attempts_open").on(t.runId).where(sql`outcome = 'open'`),
]);

/** The condition of a call that waits for a yes or no, without a parameter for the same reason. */
export const ASKED = sql`state = 'asked'`;

/** The journal of calls of tools that this server runs, and their approvals: see `JournaledCall`. */
export const toolCalls = sqliteTable("tool_calls", {
  id: text().primaryKey(),
  runId: text("run_id").notNull(),
  chatId: text("chat_id").notNull().references(() => chats.id, { onDelete: "cascade" }),
  ownerId: text("owner_id").notNull(),
  messageId: text("message_id").notNull(),
  messageKey: text("message_key").notNull(),
  toolCallId: text("tool_call_id").notNull(),
  tool: text().notNull(),
  /** As JSON. */
  input: text().notNull(),
  hash: text().notNull(),
  state: text().$type<CallState>().notNull(),
  isRepeatable: integer("is_repeatable", { mode: "boolean" }).notNull(),
  isInDoubt: integer("is_in_doubt", { mode: "boolean" }).notNull().default(false),
  createdAt: integer("created_at").notNull(),
  expiresAt: integer("expires_at").notNull(),
  /** With what the answer goes on, as JSON. */
  request: text(),
  /** What the tool asks, and what was answered to its questions, as JSON. */
  question: text(),
  answers: text(),
  answeredAt: integer("answered_at"),
  reason: text(),
  /** True if the answer counts for all calls of the tool in the chat. */
  remembered: integer({ mode: "boolean" }).notNull().default(false),
}, (t) => [
  index("tool_calls_by_run").on(t.runId),
  index("tool_calls_asked").on(t.ownerId).where(ASKED),
  index("tool_calls_by_chat").on(t.chatId),
  index("tool_calls_remembered").on(t.chatId, t.tool, t.answeredAt).where(sql`remembered`),
]);

/** Tokens of users, as SHA-256 only. */
export const tokens = sqliteTable("tokens", {
  id: text().primaryKey(),
  name: text().notNull(),
  username: text().notNull(),
  hash: text().notNull().unique(),
  createdAt: integer("created_at").notNull(),
  /** Null if it never expires. */
  expiresAt: integer("expires_at"),
});
