/** P1 on a disk that fails a sync: nothing is confirmed until all of it was written again. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { AppError } from "../../src/domain/errors.ts";
import type { Database } from "../../src/store/database.ts";
import { statement } from "../../src/store/statement.ts";
import { endOfVersion } from "../../src/store/wal.ts";
import { testDatabase } from "../kit/database.ts";

const PAUSE = 1_050;

/** The syncs of files, each of which may fail. */
class Syncs implements Disposable {
  count = 0;
  failing = false;
  readonly #real = Deno.FsFile.prototype.syncData;

  constructor() {
    const sync = async (file: Deno.FsFile) => {
      this.count++;
      if (this.failing) throw new Error("Input/output error (os error 5)");
      await this.#real.call(file);
    };
    Deno.FsFile.prototype.syncData = function () {
      return sync(this);
    };
  }

  [Symbol.dispose](): void {
    Deno.FsFile.prototype.syncData = this.#real;
  }
}

const sleep = (ms: number) => new Promise((done) => setTimeout(done, ms));

function insert(id: string) {
  return statement(
    "INSERT INTO chats (id, owner_id, title, created_at, updated_at) VALUES (?, 'o', ?, 0, 0)",
    [id, "a title ".repeat(100)],
  );
}

async function chatsOf(db: Database): Promise<string[]> {
  const rows = await db.all(statement<{ id: string }>("SELECT id FROM chats ORDER BY id"));
  return rows.map(({ id }) => id);
}

async function assertDoubtful(db: Database): Promise<void> {
  const error = await assertRejects(() => db.durable(), AppError);
  assertEquals([error.code, error.message], ["storage_failed", "The disk of the database failed"]);
}

Deno.test("after a failed sync nothing is confirmed before the log was written again", async () => {
  using syncs = new Syncs();
  await using db = await testDatabase();
  await db.write([insert("a")]);
  await db.durable();
  const log = `${db.dir}/parley.db-wal`;
  syncs.failing = true;
  await db.write([insert("b")]);
  await assertDoubtful(db);
  syncs.failing = false;
  const { count } = syncs;
  for (let tries = 0; tries < 5; tries++) await assertDoubtful(db);
  assertEquals(syncs.count, count, "nothing was tried so soon");
  await db.write([insert("c")]);
  assertEquals(await chatsOf(db), ["a", "b", "c"]);

  syncs.failing = true;
  await sleep(PAUSE);
  await assertDoubtful(db);
  assertEquals(syncs.count, count + 1);
  syncs.failing = false;
  await assertDoubtful(db);
  const before = await Deno.readFile(log);
  await sleep(PAUSE);
  await Promise.all([db.durable(), db.durable()]);
  const after = await Deno.readFile(log);
  assertEquals(after.subarray(0, before.length), before);
  await db.write([insert("d"), insert("e")]);
  await db.durable();
  assertEquals(await chatsOf(db), ["a", "b", "c", "d", "e"]);
});

Deno.test("a log of which the disk lost a part is never confirmed, nor moved into the database", async () => {
  using syncs = new Syncs();
  const dir = await Deno.makeTempDir({ prefix: "parley-db-" });
  try {
    {
      await using db = await testDatabase(dir);
      await db.write([insert("a")]);
      await db.durable();
      const log = `${dir}/parley.db-wal`;
      const { size } = await Deno.stat(log);
      await db.write([insert("b")]);
      await db.write([insert("c")]);
      syncs.failing = true;
      await assertDoubtful(db);
      syncs.failing = false;
      // As if the system had forgotten a page that it could not write.
      using file = await Deno.open(log, { write: true });
      await file.seek(size + 100, Deno.SeekMode.Start);
      await file.write(new Uint8Array(4_096));
      for (let tries = 0; tries < 2; tries++) {
        await sleep(PAUSE);
        await assertDoubtful(db);
      }
    }
    // In a process of its own, as after a restart.
    const next = `${dir}/next`;
    await Deno.mkdir(next);
    for (const name of ["parley.db", "parley.db-wal"]) {
      await Deno.copyFile(`${dir}/${name}`, `${next}/${name}`);
    }
    await using db = await testDatabase(next);
    assertEquals(await chatsOf(db), ["a"]);
    await db.durable();
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("every byte of a log before its last commit counts", async () => {
  await using db = await testDatabase();
  await db.get(statement("PRAGMA wal_checkpoint(TRUNCATE)"));
  for (const id of ["a", "b"]) await db.write([insert(id)]);
  await db.all(statement("PRAGMA user_version=-77"));
  await db.write([insert("later")]);
  const log = await Deno.readFile(`${db.dir}/parley.db-wal`);
  const end = endOfVersion(log, -77);
  assert(end !== undefined && end < log.length);
  assertEquals((end - 32) % (24 + 4_096), 0);
  assertEquals(endOfVersion(log, 77), undefined);
  assertEquals(endOfVersion(log.subarray(0, end), -77), end);
  for (const cut of [0, 31, 32, end - 1]) {
    assertEquals(endOfVersion(log.subarray(0, cut), -77), undefined);
  }
  for (let at = 0; at < end; at += at < 100 ? 1 : 97) {
    const damaged = log.slice();
    damaged[at]! ^= 1;
    assertEquals(endOfVersion(damaged, -77), undefined, `byte ${at}`);
  }
});

Deno.test("a database that was closed is whole without its log", async () => {
  const dir = await Deno.makeTempDir({ prefix: "parley-db-" });
  try {
    {
      await using db = await testDatabase(dir);
      await db.write([insert("a")]);
    }
    await Deno.mkdir(`${dir}/copy`);
    await Deno.copyFile(`${dir}/parley.db`, `${dir}/copy/parley.db`);
    await using copy = await testDatabase(`${dir}/copy`);
    assertEquals(await chatsOf(copy), ["a"]);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
