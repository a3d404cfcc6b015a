/** What is in a data folder, read beside the server that uses it. */
import { assertEquals } from "@std/assert";
import type { LoggedEvent } from "../../src/domain/event.ts";
import type { StoredMessage } from "../../src/domain/ports.ts";
import { type Database, openDatabase } from "../../src/store/database.ts";
import { toMessage } from "../../src/store/messages.ts";
import { runStore } from "../../src/store/runs.ts";

const MIGRATIONS = new URL("../../migrations", import.meta.url).pathname;

/** A stored message with the chat that it is in. */
export interface ListedMessage extends StoredMessage {
  chatId: string;
}

/** The database of a data folder. */
export class Stored implements AsyncDisposable {
  private constructor(private readonly db: Database) {}

  static async open(dataDir: string): Promise<Stored> {
    return new Stored(
      await openDatabase({ url: `file:${dataDir}/parley.db`, migrations: MIGRATIONS }),
    );
  }

  /** Fails where SQLite finds its file damaged. */
  async checkIntegrity(): Promise<void> {
    const { rows } = await this.db.read("PRAGMA integrity_check");
    assertEquals(rows.map((row) => row["integrity_check"] as string), ["ok"]);
  }

  /** All messages of all chats and branches, by their ids. */
  async messages(): Promise<Map<string, ListedMessage[]>> {
    const { rows } = await this.db.read("SELECT * FROM messages ORDER BY rowid");
    const listed = rows.map((row) => ({ ...toMessage(row), chatId: row["chat_id"] as string }));
    return Map.groupBy(listed, ({ id }) => id);
  }

  /** Where a run stands. */
  async stateOf(runId: string): Promise<string | undefined> {
    const { rows } = await this.db.read({
      sql: "SELECT state FROM runs WHERE id = ?",
      args: [runId],
    });
    return rows[0]?.["state"] as string | undefined;
  }

  /** How many runs answer a message. */
  runsFor(message: StoredMessage): Promise<number> {
    return this.#count("runs WHERE prompt_key = ?", [message.key]);
  }

  /** How many runs are live. */
  liveRuns(): Promise<number> {
    return this.#count("runs WHERE state = 'running'");
  }

  /** The kinds of the attempts that nobody has closed; with `time`, of those that began before it. */
  async openAttempts(time = Number.MAX_SAFE_INTEGER): Promise<string[]> {
    const { rows } = await this.db.read({
      sql: "SELECT kind FROM attempts WHERE outcome = 'open' AND started_at < ?",
      args: [time],
    });
    return rows.map((row) => row["kind"] as string);
  }

  /** The whole log of a run. */
  log(runId: string): Promise<LoggedEvent[]> {
    return runStore(this.db).events(runId, 0, 1_000_000);
  }

  async #count(what: string, args: string[] = []): Promise<number> {
    const { rows } = await this.db.read({ sql: `SELECT count(*) AS n FROM ${what}`, args });
    return rows[0]!["n"] as number;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.db.close();
  }
}

/**
 * Copies the database as a `kill -9` now would leave it: SQLite's calls are synchronous, so that
 * between two turns of the event loop its files are those of one moment.
 */
export function copyData(from: string, to: string): void {
  for (const name of ["parley.db", "parley.db-wal"]) {
    Deno.writeFileSync(`${to}/${name}`, Deno.readFileSync(`${from}/${name}`));
  }
}
