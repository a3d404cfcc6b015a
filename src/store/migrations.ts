import { type MigrationMeta, readMigrationFiles } from "drizzle-orm/migrator";
import { UsageError } from "../domain/errors.ts";
import { type Driver, sql, statement } from "./statement.ts";

/** As drizzle's own migrators name and create it. */
const TABLE = sql`__drizzle_migrations`;

/**
 * Brings the tables of the database up to date, in one transaction.
 * @throws {UsageError} if the database belongs to a newer program.
 */
export async function bringUpToDate(driver: Driver, folder: string, where: string): Promise<void> {
  try {
    await migrate(driver, folder, where);
  } catch (error) {
    if (error instanceof UsageError) throw error;
    // Another process may have just done it: then nothing is left to do.
    await migrate(driver, folder, where).catch(() => {
      throw error;
    });
  }
}

/** @throws {UsageError} unless the tables of the database are exactly those of this program. */
export async function checkUpToDate(driver: Driver, folder: string, where: string): Promise<void> {
  if ((await missing(driver, folder, where)).length === 0) return;
  throw new UsageError(
    `The database ${where} is of an older Parley: restart the server with this version first.`,
  );
}

async function migrate(driver: Driver, folder: string, where: string): Promise<void> {
  const todo = await missing(driver, folder, where);
  if (todo.length === 0) return;
  await driver.transact([
    sql`CREATE TABLE IF NOT EXISTS ${TABLE}
      (id SERIAL PRIMARY KEY, hash text NOT NULL, created_at numeric)`,
    ...todo.flatMap((migration) => [
      ...migration.sql.map((text) => statement(text)),
      sql`INSERT INTO ${TABLE} (hash, created_at)
        VALUES (${migration.hash}, ${migration.folderMillis})`,
    ]),
  ]);
}

/** The migrations that the database does not have yet. */
async function missing(driver: Driver, folder: string, where: string): Promise<MigrationMeta[]> {
  const known = readMigrationFiles({ migrationsFolder: folder });
  const { rows: [table] } = await driver.run(
    sql`SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ${TABLE.sql}`,
  );
  if (!table) return known;
  const { rows: [last] } = await driver.run(sql`SELECT max(created_at) FROM ${TABLE}`);
  const newest = Number(last?.[0] ?? 0);
  if (newest > Math.max(...known.map(({ folderMillis }) => folderMillis))) {
    throw new UsageError(
      `The database ${where} is of a newer Parley: run that version, or a later one.`,
    );
  }
  return known.filter(({ folderMillis }) => folderMillis > newest);
}
