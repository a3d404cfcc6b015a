CREATE TABLE `tool_calls` (
	`id` text PRIMARY KEY NOT NULL,
	`run_id` text NOT NULL,
	`chat_id` text NOT NULL,
	`owner_id` text NOT NULL,
	`message_id` text NOT NULL,
	`message_key` text NOT NULL,
	`tool_call_id` text NOT NULL,
	`tool` text NOT NULL,
	`input` text NOT NULL,
	`hash` text NOT NULL,
	`state` text NOT NULL,
	`is_repeatable` integer NOT NULL,
	`is_in_doubt` integer DEFAULT false NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`request` text,
	`question` text,
	`answers` text,
	`answered_at` integer,
	`reason` text,
	`remembered` integer DEFAULT false NOT NULL,
	FOREIGN KEY (`chat_id`) REFERENCES `chats`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
CREATE INDEX `tool_calls_by_run` ON `tool_calls` (`run_id`);--> statement-breakpoint
CREATE INDEX `tool_calls_asked` ON `tool_calls` (`owner_id`) WHERE state = 'asked';--> statement-breakpoint
CREATE INDEX `tool_calls_by_chat` ON `tool_calls` (`chat_id`);--> statement-breakpoint
CREATE INDEX `tool_calls_remembered` ON `tool_calls` (`chat_id`,`tool`,`answered_at`) WHERE remembered;--> statement-breakpoint
ALTER TABLE `chats` ADD `instructions` text;
