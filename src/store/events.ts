import type { EventGroup } from "../domain/ports.ts";
import type { Database, Statement } from "./database.ts";

/** How many rows make a bucket: some pages of the file. */
const BUCKET = 256;

/** How many buckets are cleared at once: the event loop waits for it. */
const EXPIRED_BUCKETS = 4;

/** What the column `logged` says of a run whose log is there, and of one whose log is being removed. */
const KEPT = "logged = 1";
const EXPIRING = 2;

/**
 * Where rows of logs go: those that are written together lie together, whichever runs they are of. In
 * the order of runs, a group of twenty would change twenty pages, and cost three times as much. A run's
 * rows are found in the buckets from its first to its last.
 */
export class Buckets {
  readonly #db: Database;
  readonly #isShared: boolean;
  /** The last that a row was in, or a live run may have one in, when this process began. */
  #last: Promise<number> | undefined;
  #rows = 0;

  /** On a shared database all rows go to one bucket: its writers know nothing of each other's. */
  constructor(db: Database, isShared: boolean) {
    this.#db = db;
    this.#isShared = isShared;
  }

  /** The bucket of rows that are written now: never less than one that was given before. */
  async current(): Promise<number> {
    this.#last ??= this.#read().catch((error) => {
      this.#last = undefined;
      throw error;
    });
    const last = await this.#last;
    return this.#isShared ? last : last + 1 + Math.floor(this.#rows / BUCKET);
  }

  /** So many rows were written. */
  add(rows: number): void {
    this.#rows += rows;
  }

  async #read(): Promise<number> {
    const { rows } = await this.#db.read(
      `SELECT max(coalesce((SELECT max(bucket) FROM events), 0),
         coalesce((SELECT max(first_bucket) FROM runs WHERE state = 'running'), 0)) AS last`,
    );
    return rows[0]!["last"] as number;
  }
}

/**
 * One statement for all runs: 60 % of the cost of an insert each. On a shared database only the
 * run's owner writes, so a row that is there already is its own, of a request that was sent twice.
 */
export function appendEvents(
  groups: EventGroup[],
  bucket: number,
  leaseOwner: string | undefined,
): Statement {
  const rows = groups.map(({ runId, first, events }) => [
    runId,
    first,
    first + events.length - 1,
    JSON.stringify(events),
  ]);
  return {
    sql: `INSERT INTO events (bucket, run_id, seq, last_seq, data)
          SELECT ?, value ->> 0, value ->> 1, value ->> 2, value ->> 3 FROM json_each(?)` +
      (leaseOwner === undefined ? "" : `
          WHERE EXISTS (SELECT 1 FROM runs WHERE id = value ->> 0 AND lease_owner = ?)
          ON CONFLICT DO NOTHING`),
    args: [bucket, JSON.stringify(rows), ...(leaseOwner === undefined ? [] : [leaseOwner])],
  };
}

/** The rows of a run's log that reach beyond the event `after`, in order. */
export function selectEvents(runId: string, after: number, limit: number): Statement {
  return {
    sql: `SELECT seq, data FROM events
          WHERE bucket IN (${
      bucketsOf(`id = ? AND ${KEPT}`)
    } SELECT bucket FROM spans) AND run_id = ?
            AND last_seq > ?
          ORDER BY bucket, seq LIMIT ?`,
    args: [runId, runId, after, limit],
  };
}

/** An expression: the number of the last event in the log of the row of `runs`; null without any. */
export const LAST_SEQ = `(SELECT last_seq FROM events
  WHERE bucket IN (${
  bucketsOf(`id = runs.id AND ${KEPT}`)
} SELECT bucket FROM spans) AND run_id = runs.id
  ORDER BY bucket DESC, seq DESC LIMIT 1)`;

/** Deletes the logs of the runs that a condition names. */
export function deleteEvents(runs: { sql: string; args: string[] }): Statement {
  return {
    sql: `DELETE FROM events WHERE rowid IN (${bucketsOf(runs.sql)}
            SELECT events.rowid FROM spans CROSS JOIN events
              ON events.bucket = spans.bucket AND events.run_id = spans.run_id)`,
    args: runs.args,
  };
}

/**
 * Removes the logs of runs that ended before `time`, some buckets at a step: run by run, every row would
 * be a page. Who is read meanwhile is told that its log is gone, be part of it still there.
 */
export async function* expireEvents(db: Database, time: number): AsyncGenerator<void> {
  const ended = "logged AND ended_at < ?";
  await db.write([{ sql: `UPDATE runs SET logged = ${EXPIRING} WHERE ${ended}`, args: [time] }]);
  const { rows } = await db.read({
    sql: `SELECT min(first_bucket) AS first, max(last_bucket) AS last FROM runs
          WHERE ${ended} AND logged = ${EXPIRING}`,
    args: [time],
  });
  const { first, last } = rows[0] as unknown as { first: number | null; last: number | null };
  if (first === null) return;
  for (let bucket = first; bucket <= (last ?? first); bucket += EXPIRED_BUCKETS) {
    if (bucket > first) yield;
    await db.write([{
      sql: `DELETE FROM events WHERE bucket >= ? AND bucket < ? AND EXISTS
              (SELECT 1 FROM runs WHERE id = run_id AND logged = ${EXPIRING})`,
      args: [bucket, bucket + EXPIRED_BUCKETS],
    }]);
  }
  await db.write([{
    sql: `UPDATE runs SET logged = 0 WHERE ${ended} AND logged = ${EXPIRING}`,
    args: [time],
  }]);
}

/** Makes `spans`: each of those runs with each of its buckets. */
function bucketsOf(runs: string): string {
  return `WITH RECURSIVE spans (run_id, bucket, last) AS (
            SELECT id, first_bucket, coalesce(last_bucket, (SELECT max(bucket) FROM events))
              FROM runs AS own WHERE ${runs}
            UNION ALL SELECT run_id, bucket + 1, last FROM spans WHERE bucket < last)`;
}
