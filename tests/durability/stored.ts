/** What is in a data folder, read beside the server that uses it. */
import { assertEquals } from "@std/assert";
import type { LoggedEvent } from "../../src/domain/event.ts";
import type { StoredMessage } from "../../src/domain/records.ts";
import { type Database, openDatabase } from "../../src/store/database.ts";
import { Buckets } from "../../src/store/buckets.ts";
import { eventStore } from "../../src/store/events.ts";
import { messageStore } from "../../src/store/messages.ts";
import { statement } from "../../src/store/statement.ts";
import { readLog } from "../../src/runs/run_log.ts";

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

  /** Fails if SQLite finds its file damaged. */
  async checkIntegrity(): Promise<void> {
    const rows = await this.db.all(
      statement<{ integrity_check: string }>("PRAGMA integrity_check"),
    );
    assertEquals(rows, [{ integrity_check: "ok" }]);
  }

  /** All messages of all chats and branches, by their ids. */
  async messages(): Promise<Map<string, ListedMessage[]>> {
    const rows = await this.db.all(statement<{ chatId: string; key: string }>(
      'SELECT chat_id AS "chatId", key FROM messages ORDER BY rowid',
    ));
    const listed: ListedMessage[] = [];
    const store = messageStore(this.db);
    for (const { chatId, key } of rows) {
      const [message] = await store.read(chatId, [key]);
      listed.push({ ...message!, chatId });
    }
    return Map.groupBy(listed, ({ id }) => id);
  }

  /** Where a run stands. */
  async stateOf(runId: string): Promise<string | undefined> {
    const run = await this.db.get(
      statement<{ state: string }>("SELECT state FROM runs WHERE id = ?", [runId]),
    );
    return run?.state;
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
    const rows = await this.db.all(statement<{ kind: string }>(
      "SELECT kind FROM attempts WHERE outcome = 'open' AND started_at < ?",
      [time],
    ));
    return rows.map(({ kind }) => kind);
  }

  /** The whole log of a run. */
  log(runId: string): Promise<LoggedEvent[]> {
    return readLog(runId, eventStore(this.db, "", new Buckets(this.db, { shared: false })));
  }

  async #count(what: string, args: string[] = []): Promise<number> {
    const row = await this.db.get(
      statement<{ n: number }>(`SELECT count(*) AS n FROM ${what}`, args),
    );
    return row!.n;
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
