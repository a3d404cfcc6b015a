import type { LoggedEvent, RunEvent } from "../domain/event.ts";
import type { EventStore } from "../domain/ports.ts";
import type { Buckets } from "./buckets.ts";
import type { Database } from "./database.ts";
import { appendRows, partsOf, ROW_BYTES, type Written } from "./log_rows.ts";
import { pageOf } from "./pages.ts";
import { endStatements, selectLost } from "./run_statements.ts";
import { sql, type Statement } from "./statement.ts";

/** The most rows in a page of a log, and the most bytes before its last row. */
const PAGE_ROWS = 200;
const PAGE_BYTES = ROW_BYTES;

/** The largest row that is read: an older Parley took events of any size. */
const MAX_ROW = 8 * 1024 * 1024;

/** Whether a run's log is kept, and whether it is being removed. */
const KEPT = sql`logged = 1`;
const EXPIRING = sql`logged = 2`;

const NONE: ReadonlySet<string> = new Set();

/** The logs of runs in the database. Only the runs of `owner`, this process, are written to. */
export function eventStore(db: Database, owner: string, buckets: Buckets): EventStore {
  return {
    async append(groups, endings) {
      const bucket = await buckets.current();
      let isWhole = true;
      let rows = 0;
      for (const part of partsOf(groups, endings)) {
        if (!await appendPart(db, part, owner, bucket)) isWhole = false;
        rows += part.rows.length;
      }
      // Not before: a group that is tried again has to meet its rows in their bucket.
      buckets.add(rows);
      if (isWhole) return NONE;
      const ids = [...groups.map(({ runId }) => runId), ...endings.map(({ run }) => run.id)];
      const lost = await db.all(selectLost(ids, owner));
      return new Set(lost.map(({ id }) => id));
    },

    async read(runId, after) {
      const logged: LoggedEvent[] = [];
      for (const { seq, data } of await db.all(selectEvents(runId, after))) {
        if (data === null && logged.length > 0) break;
        if (data === null) throw new RangeError("the log has a row that is too large");
        const events: RunEvent[] = JSON.parse(data);
        events.forEach((event, index) => {
          if (seq + index > after) logged.push({ seq: seq + index, event });
        });
      }
      return logged;
    },

    expire: (time) => expireEvents(db, time),
  };
}

/** Writes what belongs together; true if all of it was written now. */
async function appendPart(
  db: Database,
  { rows, endings }: Written,
  owner: string,
  bucket: number,
): Promise<boolean> {
  const log = appendRows(rows, bucket, owner);
  const ends = endings.map((ending) => endStatements(ending, bucket, owner));
  if (log.length + ends.length === 0) return true;
  const results = await db.write([...log, ...ends.flat()], { repeatable: true });
  const stored = results.slice(0, log.length).reduce(
    (sum, { rowsAffected }) => sum + rowsAffected,
    0,
  );
  let last = log.length - 1;
  return stored === rows.length &&
    ends.every(({ length }) => results[last += length]?.rowsAffected === 1);
}

/**
 * The next page of a run's log after the event `after`. A cross join reads the buckets in order, so it
 * ends as soon as the page is full, and loads only the data of rows in the page.
 */
export function selectEvents(
  runId: string,
  after: number,
): Statement<{ seq: number; data: string | null }> {
  return sql`
    WITH RECURSIVE ${spansOf(sql`id = ${runId} AND ${KEPT}`)},
      next AS (
        SELECT events.rowid AS id, seq, octet_length(data) AS size
        FROM spans CROSS JOIN events
          ON events.bucket = spans.bucket AND events.run_id = spans.run_id
        WHERE last_seq > ${after} LIMIT ${PAGE_ROWS}),
      page AS (
        SELECT id, sum(size) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) - size AS before
        FROM next)
    SELECT seq, CASE WHEN octet_length(data) <= ${MAX_ROW} THEN data END AS data
    FROM page CROSS JOIN events ON events.rowid = page.id
    WHERE before < ${PAGE_BYTES} ORDER BY seq`;
}

/** The number of the last event of a row of `runs`, or null: searches the buckets from the last. */
export const LAST_SEQ = sql`(SELECT last_seq FROM events
  WHERE run_id = runs.id AND bucket = (
    WITH RECURSIVE back (bucket) AS (
      SELECT coalesce(last_bucket, (SELECT max(bucket) FROM events)) WHERE ${KEPT}
      UNION ALL SELECT bucket - 1 FROM back WHERE bucket > first_bucket)
    SELECT bucket FROM back
    WHERE EXISTS (SELECT 1 FROM events WHERE events.bucket = back.bucket AND run_id = runs.id)
    LIMIT 1)
  ORDER BY seq DESC LIMIT 1)`;

/** Deletes the first rows of the logs of the runs that a condition selects. */
export function deleteEvents(runs: Statement): Statement<never> {
  return sql`
    DELETE FROM events WHERE rowid IN ${
    pageOf(sql`WITH RECURSIVE ${spansOf(runs)}
      SELECT events.rowid AS id, octet_length(data) AS size ${FROM_SPANS}`)
  }`;
}

/** True if one of the runs that a condition selects has a log. */
export function hasEvents(runs: Statement): Statement {
  return sql`EXISTS (WITH RECURSIVE ${spansOf(runs)} SELECT 1 ${FROM_SPANS})`;
}

/** How many runs lose their logs together. */
const EXPIRED = 100;

/**
 * Removes the logs of runs that ended before `time`, a part of a bucket at a step: run by run, every
 * row would change a page and block the event loop for it. Readers find no log from the first step on.
 */
async function* expireEvents(db: Database, time: number): AsyncGenerator<void> {
  for (;;) {
    const [{ rows: runs }] = await db.write([sql<{ id: string; first: number; last: number }>`
      UPDATE runs SET logged = 2 WHERE id IN (
        SELECT id FROM runs WHERE logged AND ended_at < ${time} ORDER BY ended_at LIMIT ${EXPIRED})
      RETURNING id, first_bucket AS first, last_bucket AS last`]);
    if (runs.length === 0) return;
    const first = Math.min(...runs.map(({ first }) => first));
    const last = Math.max(...runs.map(({ first, last }) => Math.max(first, last)));
    for (let bucket = first; bucket <= last; bucket++) {
      if (bucket > first) yield;
      while (await expirePage(db, bucket)) yield;
    }
    const ids = JSON.stringify(runs.map(({ id }) => id));
    await db.write([sql`
      UPDATE runs SET logged = 0 WHERE id IN (SELECT value FROM json_each(${ids}))`]);
    if (runs.length < EXPIRED) return;
    yield;
  }
}

/** Removes some rows of logs that are being removed; true if the bucket has more of them. */
async function expirePage(db: Database, bucket: number): Promise<boolean> {
  const rows = sql`FROM events
    WHERE bucket = ${bucket} AND EXISTS (SELECT 1 FROM runs WHERE id = run_id AND ${EXPIRING})`;
  const page = pageOf(sql`SELECT rowid AS id, octet_length(data) AS size ${rows}`);
  const [, left] = await db.write([
    sql`DELETE FROM events WHERE rowid IN ${page}`,
    sql<{ one: number }>`SELECT 1 AS one ${rows} LIMIT 1`,
  ]);
  return left.rows.length > 0;
}

const FROM_SPANS = sql`FROM spans CROSS JOIN events
  ON events.bucket = spans.bucket AND events.run_id = spans.run_id`;

/** Defines `spans`: each of those runs with each of its buckets. */
function spansOf(runs: Statement): Statement {
  return sql`spans (run_id, bucket, last) AS (
    SELECT id, first_bucket, coalesce(last_bucket, (SELECT max(bucket) FROM events))
      FROM runs AS own WHERE ${runs}
    UNION ALL SELECT run_id, bucket + 1, last FROM spans WHERE bucket < last
    ORDER BY 2)`;
}
