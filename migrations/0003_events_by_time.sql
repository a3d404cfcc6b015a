CREATE TABLE `__new_events` (
	`bucket` integer NOT NULL,
	`run_id` text NOT NULL,
	`seq` integer NOT NULL,
	`last_seq` integer NOT NULL,
	`data` text NOT NULL,
	PRIMARY KEY(`bucket`, `run_id`, `seq`)
);
--> statement-breakpoint
INSERT INTO `__new_events`("bucket", "run_id", "seq", "last_seq", "data") SELECT 0, "run_id", "seq", "last_seq", "data" FROM `events`;--> statement-breakpoint
DROP TABLE `events`;--> statement-breakpoint
ALTER TABLE `__new_events` RENAME TO `events`;--> statement-breakpoint
ALTER TABLE `runs` ADD `first_bucket` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `runs` ADD `last_bucket` integer;--> statement-breakpoint
UPDATE `runs` SET `last_bucket` = 0 WHERE `state` <> 'running';
