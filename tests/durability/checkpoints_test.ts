/** P1 over a move of the write-ahead log into the database: a power cut or a failing disk at any point. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { AppError } from "../../src/domain/errors.ts";
import type { Database } from "../../src/store/database.ts";
import { FileSync } from "../../src/store/file_sync.ts";
import { LocalDriver } from "../../src/store/local.ts";
import { statement } from "../../src/store/statement.ts";
import { testDatabase } from "../kit/database.ts";

/** A row of which a dozen are a move of the log. */
const TITLE = "a title ".repeat(40_000);

function insert(id: string) {
  return statement(
    "INSERT INTO chats (id, owner_id, title, created_at, updated_at) VALUES (?, 'o', ?, 0, 0)",
    [id, TITLE],
  );
}

async function chatsOf(db: Database): Promise<string[]> {
  const rows = await db.all(statement<{ id: string }>("SELECT id FROM chats ORDER BY id"));
  return rows.map(({ id }) => id);
}

const idOf = (n: number) => String(n).padStart(3, "0");

/** The disk under the files that are opened while it is in use: what a power cut leaves of each. */
class Disk implements Disposable {
  /** Called around each sync with the path of the file; may reject, as the sync does then. */
  onSync: (path: string, when: "before" | "after") => Promise<void> = async () => {};
  readonly #real = {
    open: Deno.open,
    sync: Deno.FsFile.prototype.syncData,
    database: FileSync.prototype.sync,
  };

  constructor() {
    const paths = new WeakMap<Deno.FsFile, string>();
    const { open, sync, database } = this.#real;
    Deno.open = async (path, options) => {
      const file = await open(path, options);
      paths.set(file, String(path));
      return file;
    };
    const synced = async (file: Deno.FsFile) => {
      const path = paths.get(file) ?? "";
      await this.onSync(path, "before");
      await sync.call(file);
      await this.onSync(path, "after");
    };
    Deno.FsFile.prototype.syncData = function () {
      return synced(this);
    };
    const syncedDatabase = async (file: FileSync) => {
      await this.onSync(file.path, "before");
      await database.call(file);
      await this.onSync(file.path, "after");
    };
    FileSync.prototype.sync = function () {
      return syncedDatabase(this);
    };
  }

  [Symbol.dispose](): void {
    Deno.open = this.#real.open;
    FileSync.prototype.sync = this.#real.database;
    Deno.FsFile.prototype.syncData = this.#real.sync;
  }
}

Deno.test("a power cut at any point of a move loses nothing that was confirmed", async () => {
  using disk = new Disk();
  const folder = await Deno.makeTempDir({ prefix: "parley-power-" });
  const states = { count: 0, moves: 0 };
  {
    await using db = await testDatabase();
    const files = [`${db.dir}/parley.db`, `${db.dir}/parley.db-wal`] as const;
    const durable = new Map<string, Uint8Array>();
    let confirmed = 0;
    /** What is left of each file: what was synced last, or all that was written. */
    const check = async () => {
      const written = new Map(files.map((path) => [path, Deno.readFileSync(path)] as const));
      for (const  of of[[written, durable], [durable, written], [durable, durable]] as const) {
        const dir = `${folder}/${states.count++}`;
        await Deno.mkdir(dir);
        files.forEach((path, at) => {
          const bytes = of[at]!.get(path) ?? durable.get(path) ?? new Uint8Array();
          Deno.writeFileSync(`${dir}/${path.split("/").at(-1)}`, bytes);
        });
        await using left = await testDatabase(dir);
        const ids = await chatsOf(left);
        assertEquals(ids.slice(0, confirmed), Array.from({ length: confirmed }, (_, n) => idOf(n)));
        assertEquals(await left.all(statement("PRAGMA integrity_check")), [
          { integrity_check: "ok" },
        ] as never[]);
        await left.close();
        await Deno.remove(dir, { recursive: true });
      }
    };
    for (const path of files) durable.set(path, Deno.readFileSync(path));
    await db.durable();
    durable.set(files[1], Deno.readFileSync(files[1]));
    disk.onSync = async (path, when) => {
      if (!files.includes(path as typeof files[0])) return;
      if (when === "after") durable.set(path, Deno.readFileSync(path));
      if (path === files[0] && when === "after") states.moves++;
      await check();
    };
    for (let n = 0; n < 26; n++) {
      await db.write([insert(idOf(n))]);
      await check();
      await db.durable();
      confirmed = n + 1;
    }
    disk.onSync = async () => {};
  }
  await Deno.remove(folder, { recursive: true });
  assert(states.moves >= 2, `${states.moves} moves`);
});

for (const [name, failing] of [["database", ""], ["log", "-wal"]] as const) {
  Deno.test(`a move during which the disk fails to sync the ${name} is not begun again over its only copy`, async () => {
    using disk = new Disk();
    const dir = await Deno.makeTempDir({ prefix: "parley-power-" });
    {
      await using db = await testDatabase(dir);
      let [isMoved, isFailing] = [false, false];
      disk.onSync = (path, when) => {
        if (path === `${dir}/parley.db` && when === "before") isMoved = true;
        if (isMoved && when === "before" && path === `${dir}/parley.db${failing}`) {
          isFailing = true;
          return Promise.reject(new Error("Input/output error (os error 5)"));
        }
        return Promise.resolve();
      };
      const written: string[] = [];
      const error = await assertRejects(async () => {
        for (let n = 0; n < 40; n++) {
          await db.write([insert(idOf(n))]);
          written.push(idOf(n));
        }
      }, AppError);
      assertEquals([isFailing, error.code], [true, "storage_failed"]);
      assertEquals(await chatsOf(db), written);
      disk.onSync = async () => {};
      await assertRejects(() => db.write([insert("more")]), AppError);
      // In a process of its own, as after a restart.
      const next = await Deno.makeTempDir({ prefix: "parley-power-" });
      for (const file of ["parley.db", "parley.db-wal"]) {
        await Deno.copyFile(`${dir}/${file}`, `${next}/${file}`);
      }
      await using again = await testDatabase(next);
      assertEquals(await chatsOf(again), written);
      await again.write([insert("more")]);
      await again.close();
      await Deno.remove(next, { recursive: true });
    }
    await Deno.remove(dir, { recursive: true });
  });
}

Deno.test("writes go on if a move cannot begin, because the log cannot be synced", async () => {
  using disk = new Disk();
  await using db = await testDatabase();
  let failed = 0;
  disk.onSync = (path, when) => {
    if (path !== `${db.dir}/parley.db-wal` || when !== "before") return Promise.resolve();
    failed++;
    return Promise.reject(new Error("Input/output error (os error 5)"));
  };
  for (let n = 0; n < 30; n++) await db.write([insert(idOf(n))]);
  assert(failed > 0);
  assertEquals((await chatsOf(db)).length, 30);
  disk.onSync = async () => {};
});

Deno.test("a move while another program reads is put off, and writes go on", async () => {
  await using db = await testDatabase();
  const path = `${db.dir}/parley.db`;
  const reader = new LocalDriver(path, 1_000);
  await reader.run(statement("BEGIN"));
  await reader.run(statement("SELECT count(*) FROM chats"));
  for (let n = 0; n < 40; n++) await db.write([insert(idOf(n))]);
  const grown = (await Deno.stat(`${path}-wal`)).size;
  assert(grown > 40 * TITLE.length, String(grown));
  await reader.run(statement("COMMIT"));
  for (let n = 40; n < 60; n++) await db.write([insert(idOf(n))]);
  await db.write([insert("last")]);
  assertEquals((await chatsOf(db)).length, 61);
  const left = (await Deno.stat(`${path}-wal`)).size;
  assert(left < grown, `${left} bytes`);
  await reader.close();
});

Deno.test("a move keeps the locks, so that another program leaves the log where it is", async () => {
  await using db = await testDatabase();
  const path = `${db.dir}/parley.db`;
  for (let n = 0; n < 20; n++) await db.write([insert(idOf(n))]);
  await db.durable();
  const code =
    `import sqlite3\nc = sqlite3.connect("${path}")\nc.execute("SELECT 1 FROM chats")\nc.close()`;
  const { success } = await new Deno.Command("python3", { args: ["-c", code] }).output();
  assert(success);
  await db.write([insert("more")]);
  assert((await Deno.stat(`${path}-wal`)).isFile);
});
