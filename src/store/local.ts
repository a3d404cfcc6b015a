// @ts-types="./libsql.d.ts"
import Libsql, { type NativeValue, type RawStatement, type Statement as Compiled } from "libsql";
import { Checkpoints } from "./checkpoints.ts";
import { Durability } from "./durability.ts";
import { type Driver, type Result, type Statement, type Value, WRITE } from "./statement.ts";

/** The most statements to keep prepared. */
const PREPARED = 200;

/** Milliseconds between two tries to get past another program's lock. */
const BUSY_RETRY = 10;

/** A compiled statement. */
interface Prepared {
  compiled: Compiled;
  /** Gives its rows under these names of columns; undefined if it gives none. */
  reader: { rows: RawStatement; columns: string[] } | undefined;
}

/** A database file. Calls are synchronous, so that no other code runs during a transaction. */
export class LocalDriver implements Driver {
  readonly #db: Libsql;
  readonly #prepared = new Map<string, Prepared>();
  readonly #durability: Durability;
  readonly #checkpoints: Checkpoints;
  readonly #busyTimeoutMs: number;

  /** Opens or creates the file. A write waits `busyTimeoutMs` for another program's lock. */
  constructor(path: string, busyTimeoutMs: number) {
    this.#busyTimeoutMs = busyTimeoutMs;
    this.#db = new Libsql(path, { timeout: busyTimeoutMs });
    this.#db.exec("PRAGMA journal_mode=WAL");
    // From now on the event loop goes on while a lock is waited for.
    this.#db.exec("PRAGMA busy_timeout=0");
    this.#durability = new Durability(path, (sql) => this.#db.exec(sql));
    const connection = {
      exec: (sql: string) => void this.#db.exec(sql),
      row: (sql: string) => this.#run({ sql, args: [] }).rows[0]!,
    };
    this.#checkpoints = new Checkpoints(path, connection, this.#durability);
  }

  async run(statement: Statement): Promise<Result> {
    // A prepared write that meets a lock stays half-run, and nothing after it is committed.
    if (WRITE.test(statement.sql)) return (await this.transact([statement]))[0]!;
    return await this.#unlocked(() => this.#run(statement));
  }

  async transact(statements: readonly Statement[]): Promise<Result[]> {
    if (this.#checkpoints.isHeld) await this.#checkpoints.ready();
    const results = await this.#unlocked(() => {
      this.#db.exec("BEGIN IMMEDIATE");
      try {
        const results = statements.map((statement) => this.#run(statement));
        this.#db.exec("COMMIT");
        return results;
      } catch (error) {
        // Some errors, such as a full disk, have already rolled it back.
        if (this.#db.inTransaction) this.#db.exec("ROLLBACK");
        throw error;
      }
    });
    const rows = results.reduce((sum, { rowsAffected }) => sum + rowsAffected, 0);
    this.#checkpoints.wrote(rows, sizeOf(statements));
    return results;
  }

  get checkpoints(): Checkpoints {
    return this.#checkpoints;
  }

  durable(): Promise<void> {
    return this.#durability.sync();
  }

  get isDoubtful(): boolean {
    return this.#durability.isDoubtful;
  }

  async close(): Promise<void> {
    // Leaves the whole database in one file. A log that may be damaged is left to the next start.
    await this.#checkpoints.end().catch(() => {});
    await this.#durability.close();
    this.#prepared.clear();
    this.#db.close();
    this.#checkpoints.close();
  }

  /** What `work` gives, once no other program has the lock. */
  async #unlocked<T>(work: () => T): Promise<T> {
    for (let waited = 0;; waited += BUSY_RETRY) {
      try {
        return work();
      } catch (error) {
        if (waited >= this.#busyTimeoutMs || !/BUSY|locked/.test(String(error))) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, BUSY_RETRY));
    }
  }

  #run({ sql, args }: Statement): Result {
    const { compiled, reader } = this.#prepare(sql);
    const values = args.map(toNative);
    if (!reader) return { columns: [], rows: [], rowsAffected: compiled.run(values).changes };
    const rows = reader.rows.all(values);
    return { columns: reader.columns, rows, rowsAffected: rows.length };
  }

  #prepare(sql: string): Prepared {
    const prepared = this.#prepared.get(sql) ?? this.#compile(sql);
    // The last used is last, so that the first is the one to drop.
    this.#prepared.delete(sql);
    this.#prepared.set(sql, prepared);
    if (this.#prepared.size > PREPARED) this.#prepared.delete(this.#prepared.keys().next().value!);
    return prepared;
  }

  #compile(sql: string): Prepared {
    const compiled = this.#db.prepare(sql);
    const reader = compiled.reader
      ? { rows: compiled.raw(), columns: compiled.columns().map(({ name }) => name) }
      : undefined;
    return { compiled, reader };
  }
}

/** About how many bytes the arguments have. */
function sizeOf(statements: readonly Statement[]): number {
  let size = 0;
  for (const { args } of statements) {
    for (const value of args) {
      if (typeof value === "string" || value instanceof Uint8Array) size += value.length;
    }
  }
  return size;
}

/** Refuses values of other types, which would make the addon end the whole process. */
function toNative(value: Value | undefined): NativeValue {
  if (typeof value === "boolean") return value ? 1 : 0;
  if (value === null || typeof value === "string" || typeof value === "number") return value;
  if (value instanceof Uint8Array) return value;
  throw new TypeError(`A statement cannot take a value of type ${typeof value}.`);
}
