/** What Parley uses of `libsql`: the package's own types bring in those of another Node.js. */

/** A value that an argument may have: any other ends the process. */
export type NativeValue = string | number | null | Uint8Array;

/** A connection to a database file. Errors have a `code`, such as `SQLITE_CONSTRAINT_UNIQUE`. */
export default class Database {
  /** Opens or creates the file; `timeout` is how long to wait for a lock, in milliseconds. */
  constructor(path: string, options?: { timeout?: number });
  readonly inTransaction: boolean;
  /** Runs statements that take no arguments, and drops their rows. */
  exec(sql: string): void;
  prepare(sql: string): Statement;
  /** Closes the connection, once the last of its statements is collected. */
  close(): void;
}

/** A compiled statement. */
export interface Statement {
  /** True if it gives rows. */
  readonly reader: boolean;
  /** The same, with rows as arrays. Only for a reader. */
  raw(): RawStatement;
  columns(): { name: string }[];
  run(args: NativeValue[]): { changes: number };
}

/** A compiled statement whose rows are arrays. */
export interface RawStatement {
  all(args: NativeValue[]): unknown[][];
}
