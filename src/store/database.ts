import { AppError, shuttingDown, UsageError } from "../domain/errors.ts";
import type { Disk } from "../domain/ports.ts";
import { openFailure, storageError, syncError } from "./failure.ts";
import { LocalDriver } from "./local.ts";
import { bringUpToDate, checkUpToDate } from "./migrations.ts";
import { exists, filePath } from "./path.ts";
import type { Reserve } from "./reserve.ts";
import {
  type Driver,
  type Result,
  type Statement,
  statement,
  type WrittenBy,
} from "./statement.ts";

/** The location of the database, and how to open it. */
export interface DatabaseOptions {
  /** `file:/path`, `libsql://host`, `https://host` or `http://host`. */
  url: string;
  /** The access token for a remote database. */
  token?: string | undefined;
  /** The folder of Drizzle's migrations. */
  migrations: string;
  /** False refuses a database whose tables are out of date; by default they are brought up to date. */
  migrate?: boolean;
  /** How long a write to a file waits for another program's lock, in milliseconds. */
  busyTimeoutMs?: number;
  /** Space on its disk for `free`. */
  reserve?: Reserve;
}

/**
 * Opens the database and brings its tables up to date.
 * @throws {UsageError} in one line if it cannot be opened, is corrupt, cannot be written, belongs to a
 * newer Parley or, without `migrate`, to an older one.
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const { url, token, migrations, migrate = true, busyTimeoutMs = 2_000 } = options;
  const path = filePath(url);
  const where = path ?? shown(url);
  if (path !== undefined && !migrate && !exists(path)) {
    throw new UsageError(`There is no database ${where} yet: start the server first.`);
  }
  let driver: Driver | undefined;
  try {
    driver = path === undefined
      ? await remoteDriver(url, token)
      : new LocalDriver(path, busyTimeoutMs);
    await (migrate ? bringUpToDate : checkUpToDate)(driver, migrations, where);
    await driver.durable();
    return new Database(driver, options.reserve);
  } catch (error) {
    await driver?.close();
    if (error instanceof UsageError) throw error;
    throw new UsageError(openFailure(error, where), { cause: error });
  }
}

/** Loaded only if it is used: a file needs no client for Hrana. */
async function remoteDriver(url: string, token: string | undefined): Promise<Driver> {
  const { RemoteDriver } = await import("./remote.ts");
  return new RemoteDriver(url, token);
}

/** The database: the only way to libSQL. Every method throws `AppError` with a storage code. */
export class Database implements Disk {
  readonly #driver: Driver;
  readonly #reserve: Reserve | undefined;
  #isReserveUsed = false;
  #closed = false;

  constructor(driver: Driver, reserve?: Reserve) {
    this.#driver = driver;
    this.#reserve = reserve;
  }

  /** The rows of a query. */
  async all<Row>(query: Statement<Row>): Promise<Row[]> {
    return toRows<Row>(await translated(this.#open.run(query)));
  }

  /** The first row of a query; it reads them all. */
  async get<Row>(query: Statement<Row>): Promise<Row | undefined> {
    return (await this.all(query))[0];
  }

  /**
   * Runs the statements as one transaction: all or none. A `repeatable` transaction is tried again for
   * a moment if its answer is lost: running it twice must have the same effect as once.
   */
  async write<const Statements extends readonly Statement[]>(
    statements: Statements,
    options = { repeatable: false },
  ): Promise<WrittenBy<Statements>> {
    const results = await translated(this.#open.transact(statements, options));
    return results.map((result) => ({
      rowsAffected: result.rowsAffected,
      rows: toRows(result),
    })) as WrittenBy<Statements>;
  }

  /** Writes what frees space: if the disk is full, with the reserve's. */
  async free<const Statements extends readonly Statement[]>(
    statements: Statements,
  ): Promise<WrittenBy<Statements>> {
    try {
      return await this.write(statements);
    } catch (error) {
      const isFull = error instanceof AppError && error.code === "storage_full";
      if (!isFull || !await this.#reserve?.release()) throw error;
      this.#isReserveUsed = true;
      // Moving the log into a file that has to grow would take all of that space, and not suffice.
      this.#open.checkpoints?.pause(true);
      return await this.write(statements);
    }
  }

  /** Makes the reserve again if it was used: whole once the disk has space, else as large as it can be. */
  async restoreReserve(): Promise<void> {
    if (!this.#reserve || !this.#isReserveUsed) return;
    const size = await this.get(statement<{ bytes: number }>(
      "SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size",
    ));
    if (!this.isDoubtful && await this.#reserve.hasSpaceFor(size!.bytes)) {
      await this.#open.checkpoints?.move();
      this.#open.checkpoints?.pause(false);
      this.#isReserveUsed = false;
    }
    await this.#reserve.make();
  }

  async durable(): Promise<void> {
    await translated(this.#open.durable(), syncError);
  }

  /** True if the last sync of the disk failed. */
  get isDoubtful(): boolean {
    return this.#open.isDoubtful;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#driver.close();
  }

  /** The driver, for as long as Parley has not closed the database. */
  get #open(): Driver {
    if (this.#closed) throw shuttingDown();
    return this.#driver;
  }
}

async function translated<T>(work: Promise<T>, toError = storageError): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw toError(error);
  }
}

/** The only place that trusts a statement's type. */
function toRows<Row>({ columns, rows }: Result): Row[] {
  return rows.map((values) =>
    Object.fromEntries(columns.map((column, at) => [column, values[at]])) as Row
  );
}

/** A remote database's URL without the parts that may be secret. */
function shown(url: string): string {
  const parsed = URL.parse(url);
  return parsed ? `${parsed.protocol}//${parsed.host}${parsed.pathname.replace(/\/$/, "")}` : "";
}
