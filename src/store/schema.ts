/** The tables. A change here becomes a migration by `deno task db:generate`. */
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

/** Conversations. `leaf_key` is the newest message of the active branch. */
export const chats = sqliteTable("chats", {
  id: text().primaryKey(),
  ownerId: text("owner_id").notNull(),
  title: text().notNull(),
  /** True once a person chose the title, so that a generated one never replaces it. */
  titled: integer({ mode: "boolean" }).notNull().default(false),
  leafKey: text("leaf_key"),
  createdAt: integer("created_at").notNull(),
  updatedAt: integer("updated_at").notNull(),
}, (t) => [index("chats_by_owner").on(t.ownerId, t.updatedAt, t.id)]);

/** Messages in neutral form, a tree by `parent_key`. `key` is ours, `id` is the clients'. */
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
  },
  (t) => [index("messages_by_id").on(t.chatId, t.id), index("messages_by_parent").on(t.parentKey)],
);

/** The making of one answer. At most one live run a chat: the unique index says so. */
export const runs = sqliteTable("runs", {
  id: text().primaryKey(),
  chatId: text("chat_id").notNull().references(() => chats.id, { onDelete: "cascade" }),
  ownerId: text("owner_id").notNull(),
  /** The stored key of the message that it answers. */
  promptKey: text("prompt_key").notNull(),
  /** The id of the assistant's message that it makes. */
  messageId: text("message_id").notNull(),
  model: text().notNull(),
  /** What its client speaks. */
  protocol: text().notNull(),
  state: text().$type<"running" | "completed" | "stopped" | "interrupted" | "failed">().notNull(),
  /** The failure as JSON, where it failed. */
  failure: text(),
  createdAt: integer("created_at").notNull(),
  endedAt: integer("ended_at"),
  /** The process that makes it, and until when its word is good. */
  leaseOwner: text("lease_owner").notNull(),
  leaseUntil: integer("lease_until").notNull(),
  /** True once another process was asked to stop it: the one that makes it looks now and then. */
  stopRequested: integer("stop_requested", { mode: "boolean" }).notNull().default(false),
  /** True where it was asked for text alone, without tools, a schema or thinking. */
  textOnly: integer("text_only", { mode: "boolean" }).notNull().default(false),
  /** 1 while its log is kept, 2 while it is being removed, then 0. */
  logged: integer({ mode: "boolean" }).notNull().default(true),
  /** The buckets that its log lies in; the last is null while more may come. */
  firstBucket: integer("first_bucket").notNull().default(0),
  lastBucket: integer("last_bucket"),
}, (t) => [
  uniqueIndex("runs_live").on(t.chatId).where(sql`state = 'running'`),
  index("runs_by_chat").on(t.chatId, t.createdAt),
  index("runs_by_lease").on(t.leaseUntil).where(sql`state = 'running'`),
  index("runs_logged").on(t.endedAt).where(sql`logged`),
]);

/** Messages that wait for the chat's live run to end. The run's id is given already. */
export const queue = sqliteTable("queue", {
  runId: text("run_id").primaryKey(),
  chatId: text("chat_id").notNull().references(() => chats.id, { onDelete: "cascade" }),
  ownerId: text("owner_id").notNull(),
  messageId: text("message_id").notNull(),
  /** The message, the model and the options of the send, as JSON. */
  request: text().notNull(),
  createdAt: integer("created_at").notNull(),
}, (t) => [index("queue_by_chat").on(t.chatId, t.createdAt, t.runId)]);

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
  /** Rows that were written about the same time. */
  bucket: integer().notNull(),
  runId: text("run_id").notNull(),
  seq: integer().notNull(),
  lastSeq: integer("last_seq").notNull(),
  data: text().notNull(),
}, (t) => [primaryKey({ columns: [t.bucket, t.runId, t.seq] })]);

/** Files that users gave their chats. */
export const files = sqliteTable("files", {
  id: text().primaryKey(),
  chatId: text("chat_id").notNull().references(() => chats.id, { onDelete: "cascade" }),
  ownerId: text("owner_id").notNull(),
  mediaType: text("media_type").notNull(),
  filename: text(),
  size: integer().notNull(),
  createdAt: integer("created_at").notNull(),
  /** Last, so that the other columns are read without it. */
  bytes: blob({ mode: "buffer" }).notNull(),
}, (t) => [index("files_by_chat").on(t.chatId)]);

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
  index("attempts_open").on(t.outcome).where(sql`outcome = 'open'`),
]);

/** Tokens of users, as SHA-256 only. */
export const tokens = sqliteTable("tokens", {
  id: text().primaryKey(),
  name: text().notNull(),
  username: text().notNull(),
  hash: text().notNull().unique(),
  createdAt: integer("created_at").notNull(),
  /** Null for one that never expires. */
  expiresAt: integer("expires_at"),
});
