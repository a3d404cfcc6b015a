/** A stream of the Hrana protocol: a connection to a SQLite file, and the requests on it. */
import { Buffer } from "node:buffer";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";

/** A value on the wire. */
export type Value =
  | { type: "null" }
  | { type: "integer"; value: string }
  | { type: "float"; value: number }
  | { type: "text"; value: string }
  | { type: "blob"; base64: string };

/** A statement: its SQL, or the id of stored SQL. */
export interface Stmt {
  sql?: string;
  sql_id?: number;
  args?: Value[];
  named_args?: { name: string; value: Value }[];
  want_rows?: boolean;
}

/** The condition for running a step of a batch. */
type Condition =
  | { type: "ok" | "error"; step: number }
  | { type: "not"; cond: Condition }
  | { type: "and" | "or"; conds: Condition[] }
  | { type: "is_autocommit" };

/** One request of a pipeline. */
export type StreamRequest =
  | { type: "execute"; stmt: Stmt }
  | { type: "batch"; batch: { steps: { stmt: Stmt; condition?: Condition }[] } }
  | { type: "sequence" | "describe"; sql?: string; sql_id?: number }
  | { type: "store_sql"; sql_id: number; sql: string }
  | { type: "close_sql"; sql_id: number }
  | { type: "close" | "get_autocommit" };

interface StmtResult {
  cols: { name: string; decltype: string | null }[];
  rows: Value[][];
  affected_row_count: number;
  last_insert_rowid: string | null;
}

interface HranaError {
  message: string;
  code: string;
}

/** The largest row, or value, that the server takes, and the largest answer that it gives, in bytes. */
const MAX_ROW = 5_000_000;
const MAX_RESPONSE = 10_000_000;

/** Names of SQLite's primary result codes, as servers report them. */
const CODES: Readonly<Record<number, string>> = {
  1: "SQLITE_ERROR",
  5: "SQLITE_BUSY",
  6: "SQLITE_LOCKED",
  8: "SQLITE_READONLY",
  11: "SQLITE_CORRUPT",
  13: "SQLITE_FULL",
  18: "SQLITE_TOOBIG",
  19: "SQLITE_CONSTRAINT",
  20: "SQLITE_MISMATCH",
};

/** A stream. Disposing of it rolls back an open transaction. */
export class HranaStream implements Disposable {
  closed = false;
  readonly #db: DatabaseSync;
  readonly #texts = new Map<number, string>();

  constructor(path: string) {
    this.#db = new DatabaseSync(path);
    // A busy wait would block the very stream it waits for.
    this.#db.exec("PRAGMA busy_timeout=0; PRAGMA synchronous=OFF; PRAGMA foreign_keys=ON");
  }

  /** Executes one request; a SQLite error is a result too. */
  handle(request: StreamRequest): unknown {
    try {
      return { type: "ok", response: { type: request.type, ...this.#respond(request) } };
    } catch (error) {
      return { type: "error", error: errorOf(error) };
    }
  }

  /** Rows as objects. */
  rows(sql: string, args: (string | number | null)[]): Record<string, unknown>[] {
    return this.#db.prepare(sql).all(...args);
  }

  [Symbol.dispose](): void {
    if (!this.closed) this.#db.close();
    this.closed = true;
  }

  #respond(request: StreamRequest): Record<string, unknown> {
    switch (request.type) {
      case "execute":
        return { result: this.#execute(request.stmt) };
      case "batch":
        return { result: this.#batch(request.batch.steps) };
      case "sequence":
        this.#db.exec(this.#textOf(request));
        return {};
      case "describe": {
        const cols = this.#columns(this.#textOf(request));
        return { result: { params: [], cols, is_explain: false, is_readonly: false } };
      }
      case "store_sql":
        this.#texts.set(request.sql_id, request.sql);
        return {};
      case "close_sql":
        this.#texts.delete(request.sql_id);
        return {};
      case "get_autocommit":
        return { is_autocommit: !this.#db.isTransaction };
      case "close":
        this[Symbol.dispose]();
        return {};
    }
  }

  #batch(steps: { stmt: Stmt; condition?: Condition }[]) {
    const results: (StmtResult | null)[] = [];
    const errors: (HranaError | null)[] = [];
    const holds = (condition: Condition): boolean => {
      switch (condition.type) {
        case "ok":
          return Boolean(results[condition.step]);
        case "error":
          return Boolean(errors[condition.step]);
        case "not":
          return !holds(condition.cond);
        case "and":
          return condition.conds.every(holds);
        case "or":
          return condition.conds.some(holds);
        case "is_autocommit":
          return !this.#db.isTransaction;
      }
    };
    for (const { stmt, condition } of steps) {
      let result: StmtResult | null = null;
      let failure: HranaError | null = null;
      if (!condition || holds(condition)) {
        try {
          result = this.#execute(stmt);
        } catch (error) {
          failure = errorOf(error);
        }
      }
      results.push(result);
      errors.push(failure);
    }
    return { step_results: results, step_errors: errors };
  }

  #execute(stmt: Stmt): StmtResult {
    const prepared = this.#db.prepare(this.#textOf(stmt));
    prepared.setReadBigInts(true);
    const args = (stmt.args ?? []).map(fromValue);
    checkRow(args);
    const cols = prepared.columns().map(({ name, type }) => ({ name, decltype: type }));
    if (cols.length === 0) {
      const { changes, lastInsertRowid } = prepared.run(...args);
      return {
        cols,
        rows: [],
        affected_row_count: Number(changes),
        last_insert_rowid: String(lastInsertRowid),
      };
    }
    const before = this.#changes();
    const found = prepared.all(...args).map((row) => cols.map(({ name }) => row[name]));
    checkResponse(found);
    const rows = found.map((row) => row.map(toValue));
    return {
      cols,
      rows: stmt.want_rows === false ? [] : rows,
      affected_row_count: this.#changes() - before,
      last_insert_rowid: null,
    };
  }

  #columns(sql: string) {
    return this.#db.prepare(sql).columns().map(({ name, type }) => ({ name, decltype: type }));
  }

  #changes(): number {
    return Number(this.#db.prepare("SELECT total_changes() AS n").get()!["n"]);
  }

  #textOf({ sql, sql_id }: { sql?: string; sql_id?: number }): string {
    const text = sql ?? this.#texts.get(sql_id ?? -1);
    if (text === undefined) throw new Error(`no SQL text ${sql_id}`);
    return text;
  }
}

/** Refuses what makes a row too large: it is made of the arguments, one statement for each. */
function checkRow(args: readonly SQLInputValue[]): void {
  if (args.reduce<number>((sum, arg) => sum + sizeOf(arg), 0) <= MAX_ROW) return;
  throw Object.assign(new Error("string or blob too big"), { errcode: 18 });
}

function checkResponse(rows: readonly unknown[][]): void {
  const size = rows.flat().reduce<number>((sum, value) => sum + sizeOf(value), 0);
  if (size > MAX_RESPONSE) throw new ResponseTooLarge("Response is too large");
}

class ResponseTooLarge extends Error {}

function sizeOf(value: unknown): number {
  if (value instanceof Uint8Array) return value.length;
  return typeof value === "string" ? Buffer.byteLength(value) : 8;
}

function errorOf(error: unknown): HranaError {
  if (error instanceof ResponseTooLarge) {
    return { message: error.message, code: "RESPONSE_TOO_LARGE" };
  }
  const { message, errcode = 1 } = error as { message: string; errcode?: number };
  return {
    message: `SQLite error: ${message}`,
    code: CODES[errcode & 0xff] ?? `SQLITE_${errcode}`,
  };
}

function fromValue(value: Value): SQLInputValue {
  switch (value.type) {
    case "null":
      return null;
    case "integer":
      return BigInt(value.value);
    case "float":
    case "text":
      return value.value;
    case "blob":
      return new Uint8Array(Buffer.from(value.base64, "base64"));
  }
}

function toValue(value: unknown): Value {
  if (value === null) return { type: "null" };
  if (typeof value === "bigint") return { type: "integer", value: String(value) };
  if (typeof value === "number") return { type: "float", value };
  if (typeof value === "string") return { type: "text", value };
  return { type: "blob", base64: Buffer.from(value as Uint8Array).toString("base64") };
}
