CREATE TABLE `attempts` (
	`id` text PRIMARY KEY NOT NULL,
	`run_id` text,
	`chat_id` text NOT NULL,
	`owner_id` text NOT NULL,
	`kind` text NOT NULL,
	`provider` text NOT NULL,
	`model` text NOT NULL,
	`started_at` integer NOT NULL,
	`first_token_ms` integer,
	`ended_at` integer,
	`outcome` text NOT NULL,
	`failure_class` text,
	`input_tokens` integer DEFAULT 0 NOT NULL,
	`output_tokens` integer DEFAULT 0 NOT NULL,
	`cached_tokens` integer DEFAULT 0 NOT NULL,
	`reasoning_tokens` integer DEFAULT 0 NOT NULL,
	`estimated` integer DEFAULT false NOT NULL
);
--> statement-breakpoint
CREATE INDEX `attempts_by_chat` ON `attempts` (`chat_id`,`started_at`);--> statement-breakpoint
CREATE INDEX `attempts_by_owner` ON `attempts` (`owner_id`,`started_at`);--> statement-breakpoint
CREATE INDEX `attempts_open` ON `attempts` (`outcome`) WHERE outcome = 'open';--> statement-breakpoint
CREATE TABLE `chats` (
	`id` text PRIMARY KEY NOT NULL,
	`owner_id` text NOT NULL,
	`title` text NOT NULL,
	`titled` integer DEFAULT false NOT NULL,
	`leaf_key` text,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `chats_by_owner` ON `chats` (`owner_id`,`updated_at`,`id`);--> statement-breakpoint
CREATE TABLE `events` (
	`run_id` text NOT NULL,
	`seq` integer NOT NULL,
	`last_seq` integer NOT NULL,
	`data` text NOT NULL,
	PRIMARY KEY(`run_id`, `seq`)
);
--> statement-breakpoint
CREATE TABLE `files` (
	`id` text PRIMARY KEY NOT NULL,
	`chat_id` text NOT NULL,
	`owner_id` text NOT NULL,
	`media_type` text NOT NULL,
	`filename` text,
	`size` integer NOT NULL,
	`created_at` integer NOT NULL,
	`bytes` blob NOT NULL,
	FOREIGN KEY (`chat_id`) REFERENCES `chats`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `files_by_chat` ON `files` (`chat_id`);--> statement-breakpoint
CREATE TABLE `messages` (
	`key` text PRIMARY KEY NOT NULL,
	`chat_id` text NOT NULL,
	`id` text NOT NULL,
	`parent_key` text,
	`role` text NOT NULL,
	`parts` text NOT NULL,
	`metadata` text NOT NULL,
	`status` text NOT NULL,
	`model` text,
	`finish_reason` text,
	`usage` text,
	`created_at` integer NOT NULL,
	FOREIGN KEY (`chat_id`) REFERENCES `chats`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `messages_by_id` ON `messages` (`chat_id`,`id`);--> statement-breakpoint
CREATE INDEX `messages_by_parent` ON `messages` (`parent_key`);--> statement-breakpoint
CREATE TABLE `queue` (
	`run_id` text PRIMARY KEY NOT NULL,
	`chat_id` text NOT NULL,
	`owner_id` text NOT NULL,
	`message_id` text NOT NULL,
	`request` text NOT NULL,
	`created_at` integer NOT NULL,
	FOREIGN KEY (`chat_id`) REFERENCES `chats`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `queue_by_chat` ON `queue` (`chat_id`,`created_at`,`run_id`);--> statement-breakpoint
CREATE TABLE `runs` (
	`id` text PRIMARY KEY NOT NULL,
	`chat_id` text NOT NULL,
	`owner_id` text NOT NULL,
	`prompt_key` text NOT NULL,
	`message_id` text NOT NULL,
	`model` text NOT NULL,
	`protocol` text NOT NULL,
	`state` text NOT NULL,
	`failure` text,
	`created_at` integer NOT NULL,
	`ended_at` integer,
	`lease_owner` text NOT NULL,
	`lease_until` integer NOT NULL,
	`logged` integer DEFAULT true NOT NULL,
	FOREIGN KEY (`chat_id`) REFERENCES `chats`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE UNIQUE INDEX `runs_live` ON `runs` (`chat_id`) WHERE state = 'running';--> statement-breakpoint
CREATE INDEX `runs_by_chat` ON `runs` (`chat_id`,`created_at`);--> statement-breakpoint
CREATE INDEX `runs_by_lease` ON `runs` (`lease_until`) WHERE state = 'running';--> statement-breakpoint
CREATE INDEX `runs_logged` ON `runs` (`ended_at`) WHERE logged;--> statement-breakpoint
CREATE TABLE `sends` (
	`chat_id` text NOT NULL,
	`key` text NOT NULL,
	`hash` text NOT NULL,
	`run_id` text NOT NULL,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`chat_id`, `key`)
);
--> statement-breakpoint
CREATE INDEX `sends_by_time` ON `sends` (`created_at`);--> statement-breakpoint
CREATE TABLE `tokens` (
	`id` text PRIMARY KEY NOT NULL,
	`name` text NOT NULL,
	`username` text NOT NULL,
	`hash` text NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `tokens_hash_unique` ON `tokens` (`hash`);