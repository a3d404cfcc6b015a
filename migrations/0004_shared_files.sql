CREATE TABLE `file_bytes` (
	`id` text PRIMARY KEY NOT NULL,
	`bytes` blob NOT NULL
);
--> statement-breakpoint
INSERT INTO `file_bytes`("id", "bytes") SELECT "id", "bytes" FROM `files`;--> statement-breakpoint
CREATE TABLE `__new_files` (
	`id` text NOT NULL,
	`chat_id` text NOT NULL,
	`owner_id` text NOT NULL,
	`media_type` text NOT NULL,
	`filename` text,
	`size` integer NOT NULL,
	`created_at` integer NOT NULL,
	PRIMARY KEY(`chat_id`, `id`),
	FOREIGN KEY (`chat_id`) REFERENCES `chats`(`id`) ON UPDATE no action ON DELETE cascade
);
--> statement-breakpoint
INSERT INTO `__new_files`("id", "chat_id", "owner_id", "media_type", "filename", "size", "created_at") SELECT "id", "chat_id", "owner_id", "media_type", "filename", "size", "created_at" FROM `files`;--> statement-breakpoint
DROP TABLE `files`;--> statement-breakpoint
ALTER TABLE `__new_files` RENAME TO `files`;--> statement-breakpoint
CREATE INDEX `files_by_id` ON `files` (`id`);--> statement-breakpoint
DROP INDEX `attempts_open`;--> statement-breakpoint
CREATE INDEX `attempts_open` ON `attempts` (`run_id`) WHERE outcome = 'open';--> statement-breakpoint
DROP INDEX `messages_by_parent`;--> statement-breakpoint
CREATE INDEX `messages_by_parent` ON `messages` (`chat_id`,`parent_key`);--> statement-breakpoint
ALTER TABLE `chats` ADD `queue_held` integer DEFAULT false NOT NULL;--> statement-breakpoint
DELETE FROM `events` WHERE `run_id` NOT IN (SELECT `id` FROM `runs`);
