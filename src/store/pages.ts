import { sql, type Statement } from "./statement.ts";

/** The most rows that one transaction removes, and the most bytes before the last of them. */
const ROWS = 200;
const BYTES = 1024 * 1024;

/** The ids of the first rows, for `IN`, of a query that gives an `id` and a `size` in bytes for each. */
export function pageOf(rows: Statement): Statement {
  return sql`(SELECT id FROM (
    SELECT id, sum(size) OVER (ROWS UNBOUNDED PRECEDING) - size AS before
    FROM (${rows} LIMIT ${ROWS})) WHERE before < ${BYTES})`;
}
