import type { Database } from "./database.ts";
import { sql } from "./statement.ts";

/** How many rows make a bucket. With fewer, a group changes fewer pages, but a log has more buckets. */
const BUCKET = 1024;

/**
 * Chooses the place of rows of logs: rows that are written together lie together, whatever their runs.
 * Ordered by run, a group of twenty would change two pages for each run, anywhere in the file. A run's
 * rows are in the buckets from its first to its last.
 */
export class Buckets {
  readonly #db: Database;
  readonly #shared: boolean;
  /** The last bucket with a row, or with room for one of a live run, when this process began. */
  #last: Promise<number> | undefined;
  #rows = 0;

  /** In a `shared` database all rows go to one bucket, since its writers do not know of each other. */
  constructor(db: Database, { shared }: { shared: boolean }) {
    this.#db = db;
    this.#shared = shared;
  }

  /** The bucket for rows that are written now; it never decreases. */
  async current(): Promise<number> {
    this.#last ??= this.#read().catch((error) => {
      this.#last = undefined;
      throw error;
    });
    const last = await this.#last;
    return this.#shared ? last : last + 1 + Math.floor(this.#rows / BUCKET);
  }

  /** Counts written rows. */
  add(rows: number): void {
    this.#rows += rows;
  }

  async #read(): Promise<number> {
    const row = await this.#db.get(sql<{ last: number }>`
      SELECT max(coalesce((SELECT max(bucket) FROM events), 0),
        coalesce((SELECT max(first_bucket) FROM runs WHERE state = 'running'), 0)) AS last`);
    return row!.last;
  }
}
