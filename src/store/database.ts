import {
  type Client,
  createClient,
  type InStatement,
  LibsqlError,
  type ResultSet,
} from "@libsql/client";
import { drizzle, type LibSQLDatabase } from "drizzle-orm/libsql";
import { migrate } from "drizzle-orm/libsql/migrator";
import { UsageError } from "../domain/errors.ts";
import { Durability } from "./durability.ts";
import { storageError, syncError } from "./failure.ts";
import { remoteCause, remoteFetch } from "./remote.ts";

/** One SQL statement with its values. */
export type Statement = InStatement;

/** How to reach the database. */
export interface DatabaseOptions {
  /** `file:/path`, `libsql://host`, `https://host` or `http://host`. */
  url: string;
  /** For a remote one. */
  token?: string | undefined;
  /** The folder of drizzle's migrations. */
  migrations: string;
  /** How long a write waits for another program's lock, in milliseconds. */
  busyTimeoutMs?: number;
}

/**
 * The database: the only door to libSQL. Every method throws `AppError` with a storage code.
 *
 * A local file is used by one connection, and each call to it is synchronous under its promise, so
 * `write` is a transaction that nothing can come between.
 */
export interface Database {
  /** drizzle over the same connection, for queries off the hot path. */
  readonly orm: LibSQLDatabase;
  /** Runs one query. */
  read(statement: Statement): Promise<ResultSet>;
  /** Runs the statements as one transaction: all or none. */
  write(statements: Statement[]): Promise<ResultSet[]>;
  /**
   * Resolves once every write so far would survive a power cut: what `synchronous=FULL` promises,
   * but without stopping the event loop for the disk.
   */
  durable(): Promise<void>;
  close(): Promise<void>;
}

/**
 * Opens the database and brings its tables up to date.
 * @throws {UsageError} in one line where it cannot be opened, is corrupt, cannot be written, or
 * is in use by another Parley.
 */
export async function openDatabase(options: DatabaseOptions): Promise<Database> {
  const file = filePath(options.url);
  let client: Client | undefined;
  try {
    client = createClient({
      url: options.url,
      ...(options.token !== undefined && { authToken: options.token }),
      ...(file === undefined
        ? { fetch: remoteFetch }
        : { concurrency: 1, timeout: options.busyTimeoutMs ?? 2_000 }),
      intMode: "number",
    });
    if (file !== undefined) {
      await client.executeMultiple(`PRAGMA journal_mode=WAL; ${PER_CONNECTION}`);
    }
    const orm = drizzle(client);
    const bringUpToDate = () => migrate(orm, { migrationsFolder: options.migrations });
    await bringUpToDate().catch((error) => {
      if (file !== undefined || remoteCause(error)) throw error;
      // Another process may have done it at this moment: then nothing is left to do.
      return bringUpToDate();
    });
    const durability = file === undefined ? undefined : new Durability(file);
    await durability?.sync();
    return connect(client, orm, durability);
  } catch (error) {
    client?.close();
    throw new UsageError(openFailure(error, file ?? shown(options.url)), { cause: error });
  }
}

/** One fsync a transaction would stop the event loop: `durable` does it beside the loop. */
const PER_CONNECTION = "PRAGMA synchronous=NORMAL;";

/**
 * A connection whose `BEGIN` met a lock refuses every transaction after it (libSQL 0.5 leaves the
 * statement open): only a new one helps.
 */
async function renew(client: Client, durability: Durability, error: unknown): Promise<void> {
  if (!(error instanceof LibsqlError) || error.code !== "SQLITE_BUSY") return;
  // The last connection to close removes the WAL, and the next one makes another.
  await durability.close();
  await client.reconnect();
  await client.executeMultiple(PER_CONNECTION);
}

function connect(
  client: Client,
  orm: LibSQLDatabase,
  durability: Durability | undefined,
): Database {
  return {
    orm,
    async read(statement) {
      try {
        return await client.execute(statement);
      } catch (error) {
        throw storageError(error);
      }
    },
    async write(statements) {
      try {
        const [only] = statements;
        // A statement is a transaction of its own, and costs half of one in a batch.
        if (only && statements.length === 1) return [await client.execute(only)];
        return await client.batch(statements, "write");
      } catch (error) {
        if (durability) {
          await renew(client, durability, error).catch((failure) => {
            throw storageError(failure);
          });
        }
        throw storageError(error);
      }
    },
    async durable() {
      try {
        await durability?.sync();
      } catch (error) {
        throw syncError(error);
      }
    },
    async close() {
      await durability?.sync().catch(() => {});
      await durability?.close();
      client.close();
    },
  };
}

/** The path of a local database, or undefined for a remote one. */
export function filePath(url: string): string | undefined {
  return url.startsWith("file:") ? url.slice("file:".length).replace(/^\/\/(?=\/)/, "") : undefined;
}

/** A remote database without what may be secret in its URL. */
function shown(url: string): string {
  const parsed = URL.parse(url);
  return parsed ? `${parsed.protocol}//${parsed.host}${parsed.pathname.replace(/\/$/, "")}` : "";
}

function openFailure(error: unknown, where: string): string {
  const remote = remoteCause(error);
  if (remote?.kind === "refused") {
    return `The database ${where} refuses the token: set PARLEY_DATABASE_TOKEN to one that it takes.`;
  }
  if (remote) return `The database ${where} cannot be reached: ${remote.message}.`;
  const text = error instanceof Error
    ? `${error.message} ${String(error.cause ?? "")}`
    : String(error);
  if (/NOTADB|CORRUPT|malformed/.test(text)) {
    return `The database ${where} is damaged or is no database. Move it away or restore a copy.`;
  }
  if (/READONLY|readonly/.test(text)) return `The database ${where} is read-only.`;
  if (/SQLITE_FULL/.test(text)) return `The disk of the database ${where} is full.`;
  if (/SQLITE_BUSY|locked/.test(text)) return `The database ${where} is locked by another program.`;
  if (/Unable to open|CANTOPEN/.test(text)) {
    return `The database ${where} cannot be opened: its folder is missing or not accessible.`;
  }
  return `The database ${where} cannot be used: ${firstLine(text)}`;
}

function firstLine(text: string): string {
  return text.split("\n", 1)[0]!.slice(0, 300);
}
