CREATE TABLE `file_pieces` (
	`id` text NOT NULL,
	`at` integer NOT NULL,
	`bytes` blob NOT NULL,
	PRIMARY KEY(`id`, `at`)
);
--> statement-breakpoint
INSERT INTO `file_pieces`("id", "at", "bytes")
WITH RECURSIVE place ("id", "at", "size") AS (
	SELECT "id", 0, length("bytes") FROM `file_bytes`
	UNION ALL SELECT "id", "at" + 1, "size" FROM place WHERE ("at" + 1) * 196608 < "size"
)
SELECT place."id", place."at", substr("bytes", place."at" * 196608 + 1, 196608)
FROM place JOIN `file_bytes` ON `file_bytes`."id" = place."id";--> statement-breakpoint
DROP TABLE `file_bytes`;--> statement-breakpoint
ALTER TABLE `chats` ADD `bytes` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `messages` ADD `unseen` text;--> statement-breakpoint
CREATE INDEX `files_by_owner` ON `files` (`owner_id`,`id`);--> statement-breakpoint
UPDATE `chats` SET "bytes" = coalesce((
	SELECT sum(octet_length("parts") + octet_length("metadata") + 1024)
	FROM `messages` WHERE "chat_id" = `chats`."id"), 0);--> statement-breakpoint
CREATE TRIGGER `messages_inserted` AFTER INSERT ON `messages` BEGIN
	UPDATE `chats` SET "bytes" = "bytes" + octet_length(NEW."parts") + octet_length(NEW."metadata")
		+ coalesce(octet_length(NEW."unseen"), 0) + 1024
	WHERE "id" = NEW."chat_id";
END;--> statement-breakpoint
CREATE TRIGGER `messages_updated` AFTER UPDATE OF "parts", "unseen" ON `messages` BEGIN
	UPDATE `chats` SET "bytes" = "bytes" + octet_length(NEW."parts") - octet_length(OLD."parts")
		+ coalesce(octet_length(NEW."unseen"), 0) - coalesce(octet_length(OLD."unseen"), 0)
	WHERE "id" = NEW."chat_id";
END;
