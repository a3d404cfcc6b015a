/** SQL statements and their results. */
import type { Disk } from "../domain/ports.ts";

/** A value in a column or an argument. */
export type Value = string | number | boolean | null | Uint8Array;

/** An SQL statement with its arguments. `Row` is the type of its rows: `never` if it gives none. */
export interface Statement<Row = unknown> {
  readonly sql: string;
  readonly args: readonly Value[];
  /** Never set: it tells the compiler the type. */
  readonly row?: Row;
}

/**
 * A statement from its text. `Row` must be what the columns really are: text, numbers (a boolean is 0
 * or 1), null or bytes, under the names that the SQL gives them.
 */
export function statement<Row = never>(text: string, args: readonly Value[] = []): Statement<Row> {
  return { sql: text, args };
}

/** A statement, or a part of one, with its arguments in place: values, or other parts. */
export function sql<Row = never>(
  text: TemplateStringsArray,
  ...holes: (Value | Statement)[]
): Statement<Row> {
  let whole = text[0]!;
  const args: Value[] = [];
  holes.forEach((hole, at) => {
    const part = isStatement(hole) ? hole : { sql: "?", args: [hole] };
    whole += part.sql + text[at + 1];
    args.push(...part.args);
  });
  return { sql: whole, args };
}

function isStatement(hole: Value | Statement): hole is Statement {
  return typeof hole === "object" && hole !== null && "sql" in hole;
}

/** Matches every statement that may write. */
export const WRITE = /\b(INSERT|UPDATE|DELETE|REPLACE|CREATE|ALTER|DROP)\b/i;

/** The effect of a statement in a transaction. */
export interface Written<Row> {
  /** How many rows it inserted, changed or deleted. */
  rowsAffected: number;
  /** The rows that it returned. */
  rows: Row[];
}

/** The effects of a list of statements. */
export type WrittenBy<Statements extends readonly Statement[]> = {
  -readonly [I in keyof Statements]: Statements[I] extends Statement<infer Row> ? Written<Row>
    : never;
};

/** A result with its values in the order of the columns. */
export interface Result {
  columns: readonly string[];
  rows: unknown[][];
  rowsAffected: number;
}

/** Runs statements on one kind of database. Its errors are the driver's own. */
export interface Driver extends Disk {
  /** Runs a statement and gives all of its rows. */
  run(statement: Statement): Promise<Result>;
  /**
   * Runs the statements as one transaction: all or none. One that is `repeatable` has the same effect
   * twice as once, so it is tried again if its answer is lost.
   */
  transact(
    statements: readonly Statement[],
    options?: { repeatable: boolean },
  ): Promise<Result[]>;
  /** True if the last sync failed: what is stored may not be on the disk. */
  readonly isDoubtful: boolean;
  /** Of a local database: moves what was written into one file. */
  readonly checkpoints?: { move(): Promise<void>; pause(isPaused: boolean): void };
  close(): Promise<void>;
}
