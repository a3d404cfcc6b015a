/** The rows of logs, and how many of them are written together. */
import type { EventGroup, RunEnding } from "../domain/records.ts";
import { sql, type Statement, statement } from "./statement.ts";

/** The most bytes of a row, unless it holds a single event. */
export const ROW_BYTES = 32 * 1024;

/** About how many characters one transaction writes, unless what belongs together is more. */
const TOGETHER = 512 * 1024;

/** A row of a log. */
export type Row = [runId: string, seq: number, lastSeq: number, data: string];

/** What is written in one transaction. */
export interface Written {
  rows: Row[];
  endings: RunEnding[];
}

/**
 * The groups and endings in the order of their writing: of each run, its last events are written with
 * its ending, and all others before.
 */
export function partsOf(groups: readonly EventGroup[], endings: readonly RunEnding[]): Written[] {
  const parts: Written[] = [{ rows: [], endings: [] }];
  let size = 0;
  const add = (rows: Row[], ending: RunEnding | undefined) => {
    const added = rows.reduce((sum, [, , , data]) => sum + data.length, sizeOf(ending));
    if (size > 0 && size + added > TOGETHER) {
      parts.push({ rows: [], endings: [] });
      size = 0;
    }
    size += added;
    parts.at(-1)!.rows.push(...rows);
    if (ending) parts.at(-1)!.endings.push(ending);
  };
  const ends = new Map(endings.map((ending) => [ending.run.id, ending]));
  for (const group of groups) {
    const rows = rowsOf(group);
    const ending = ends.get(group.runId);
    ends.delete(group.runId);
    const last = rows.pop();
    for (const row of rows) add([row], undefined);
    add(last ? [last] : [], ending);
  }
  for (const ending of ends.values()) add([], ending);
  return parts;
}

/** About how many characters an ending has: none of it but the answer may be large. */
function sizeOf(ending: RunEnding | undefined): number {
  let size = 0;
  for (const part of ending?.message?.parts ?? []) {
    size += "text" in part ? part.text.length : JSON.stringify(part).length;
  }
  return size;
}

/** The rows of a group, each no larger than a page unless it holds a single event. */
function rowsOf({ runId, first, events }: EventGroup): Row[] {
  if (events.length === 0) return [];
  const data = JSON.stringify(events);
  const last = first + events.length - 1;
  if (data.length <= ROW_BYTES || events.length === 1) return [[runId, first, last, data]];
  const half = events.length >> 1;
  return [
    ...rowsOf({ runId, first, events: events.slice(0, half) }),
    ...rowsOf({ runId, first: first + half, events: events.slice(half) }),
  ];
}

/** The most rows that one statement writes: each number of them is a statement to prepare. */
const ROWS = 32;

/**
 * The statements that write rows: one for all runs is half the cost of one for each. A large row has its
 * own. Only the run's owner writes, so a conflicting row is the same row, of a request that was sent
 * twice.
 */
export function appendRows(rows: Row[], bucket: number, owner: string): Statement<never>[] {
  const batches: Row[][] = [];
  let last: Row[] = [];
  for (const row of rows) {
    if (row[3].length > ROW_BYTES) {
      batches.push([row]);
      continue;
    }
    if (last.length % ROWS === 0) batches.push(last = []);
    last.push(row);
  }
  return batches.map((batch) => insertRows(batch, bucket, owner));
}

function insertRows(rows: Row[], bucket: number, owner: string): Statement<never> {
  const places = `(?, ?, ?, ?)${", (?, ?, ?, ?)".repeat(rows.length - 1)}`;
  return sql`
    WITH sent (run_id, seq, last_seq, data) AS (VALUES ${statement(places, rows.flat())})
    INSERT INTO events (bucket, run_id, seq, last_seq, data)
    SELECT max(${bucket}, first_bucket), run_id, seq, last_seq, data
    FROM sent CROSS JOIN runs ON runs.id = run_id
    WHERE lease_owner = ${owner} AND state = 'running'
    ON CONFLICT DO NOTHING`;
}
