import { UsageError } from "../domain/errors.ts";
import { sha256 } from "../domain/hash.ts";
import { type Driver, sql, type Statement, statement } from "./statement.ts";

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
      ...migration.statements,
      sql`INSERT INTO ${TABLE} (hash, created_at) VALUES (${migration.hash}, ${migration.when})`,
    ]),
  ]);
}

/** A migration, as Drizzle's generator writes it. */
interface Migration {
  statements: Statement[];
  hash: string;
  /** When it was made: the database keeps that of its last one. */
  when: number;
}

/** The migrations that the database does not have yet. */
async function missing(driver: Driver, folder: string, where: string): Promise<Migration[]> {
  const { entries }: { entries: { tag: string; when: number }[] } = JSON.parse(
    Deno.readTextFileSync(`${folder}/meta/_journal.json`),
  );
  const newest = await newestIn(driver);
  if (newest > Math.max(...entries.map(({ when }) => when))) {
    throw new UsageError(
      `The database ${where} is of a newer Parley: run that version, or a later one.`,
    );
  }
  return entries.filter(({ when }) => when > newest).map(({ tag, when }) => {
    const text = Deno.readTextFileSync(`${folder}/${tag}.sql`);
    const statements = text.split("--> statement-breakpoint").map((text) => statement(text));
    return { statements, hash: sha256(text), when };
  });
}

/** When the database's last migration was made; -1 if it is empty. */
async function newestIn(driver: Driver): Promise<number> {
  const { rows: [table] } = await driver.run(
    sql`SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ${TABLE.sql}`,
  );
  if (!table) return -1;
  const { rows: [last] } = await driver.run(sql`SELECT max(created_at) FROM ${TABLE}`);
  return Number(last?.[0] ?? 0);
}
