ALTER TABLE `queue` ADD `failure` text;--> statement-breakpoint
CREATE INDEX `queue_waiting` ON `queue` (`owner_id`,`chat_id`,`failure`) WHERE failure IS NULL;