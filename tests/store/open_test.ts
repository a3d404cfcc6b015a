/** Which databases are opened, and which are refused in one line. */
import { assertEquals, assertMatch, assertRejects, assertThrows } from "@std/assert";
// @ts-types="../../src/store/libsql.d.ts"
import Libsql from "libsql";
import { AppError, UsageError } from "../../src/domain/errors.ts";
import { openDatabase } from "../../src/store/database.ts";
import { lockDatabase } from "../../src/store/lock.ts";
import { filePath } from "../../src/store/path.ts";
import { statement } from "../../src/store/statement.ts";
import { MIGRATIONS, testDatabase, testRemote } from "../kit/database.ts";

const RUN = statement(
  "INSERT INTO chats (id, owner_id, title, created_at, updated_at) VALUES ('c', 'o', 't', 0, 0)",
);

async function inFolder(fn: (dir: string) => Promise<void>): Promise<void> {
  const dir = await Deno.realPath(await Deno.makeTempDir({ prefix: "parley-open-" }));
  try {
    await fn(dir);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
}

async function refusal(options: Partial<Parameters<typeof openDatabase>[0]>): Promise<string> {
  const error = await assertRejects(
    () => openDatabase({ url: "", migrations: MIGRATIONS, ...options }),
    UsageError,
  );
  assertEquals(error.message.includes("\n"), false);
  return error.message;
}

Deno.test("a database behind links has its lock and its log beside the file", () =>
  inFolder(async (dir) => {
    await Deno.mkdir(`${dir}/real/deep`, { recursive: true });
    await Deno.symlink(`real`, `${dir}/folder`);
    await Deno.symlink("deep/parley.db", `${dir}/real/link.db`);
    await Deno.symlink(`${dir}/missing`, `${dir}/later`);
    const real = `${dir}/real/deep/parley.db`;
    const url = `file:${dir}/folder/link.db`;
    // The link leads to nothing yet.
    assertEquals(filePath(url), real);
    assertEquals(filePath(`file:${dir}/later/a.db`), `${dir}/missing/a.db`);
    assertEquals(filePath(`file://${dir}/none/a.db`), `${dir}/none/a.db`);
    assertEquals(filePath("https://host/a"), undefined);

    let synced = 0;
    const syncData = Deno.FsFile.prototype.syncData;
    Deno.FsFile.prototype.syncData = function () {
      synced++;
      return syncData.call(this);
    };
    try {
      const db = await openDatabase({ url, migrations: MIGRATIONS });
      await db.write([RUN]);
      synced = 0;
      await db.durable();
      await db.close();
    } finally {
      Deno.FsFile.prototype.syncData = syncData;
    }
    assertEquals(synced > 0, true);
    assertEquals(filePath(url), real);
    const lock = lockDatabase(filePath(url)!);
    assertThrows(() => lockDatabase(real), UsageError, "Another Parley is running");
    lock.release();
    lockDatabase(real).release();
    const names = [...Deno.readDirSync(`${dir}/real`)].map(({ name }) => name).sort();
    assertEquals(names, ["deep", "link.db"]);
  }));

Deno.test("links that lead to each other end", () =>
  inFolder(async (dir) => {
    await Deno.symlink(`${dir}/b`, `${dir}/a`);
    await Deno.symlink(`${dir}/a`, `${dir}/b`);
    assertMatch(await refusal({ url: `file:${dir}/a` }), /cannot be opened|cannot be used/);
  }));

Deno.test("another process cannot take a lock that is held, and can once its process is killed", () =>
  inFolder(async (dir) => {
    const path = `${dir}/parley.db`;
    const code = `
      import { lockDatabase } from ${
      JSON.stringify(new URL("../../src/store/lock.ts", import.meta.url))
    };
      lockDatabase(${JSON.stringify(path)});
      console.log("locked");
      setInterval(() => {}, 1000);`;
    await using child = new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--config", new URL("../../deno.json", import.meta.url).pathname, "-"],
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(code));
    await writer.close();
    const reader = child.stdout.getReader();
    assertMatch(new TextDecoder().decode((await reader.read()).value), /locked/);
    assertThrows(() => lockDatabase(path), UsageError, "Another Parley is running");
    child.kill("SIGKILL");
    await child.status;
    await reader.cancel();
    lockDatabase(path).release();
  }));

Deno.test("a folder that is missing is told of", () =>
  // deno-lint-ignore require-await -- as the others
  inFolder(async (dir) => {
    assertThrows(() => lockDatabase(`${dir}/none/a.db`), UsageError, "a.db is missing");
  }));

Deno.test("what is no database, or has no folder, is refused", () =>
  inFolder(async (dir) => {
    await Deno.writeTextFile(`${dir}/text.db`, "This is a text. ".repeat(1_000));
    assertMatch(await refusal({ url: `file:${dir}/text.db` }), /is damaged or is no database/);
    assertMatch(await refusal({ url: `file:${dir}/none/a.db` }), /its folder is missing/);
    assertMatch(await refusal({ url: `file:${dir}` }), /cannot be opened/);
  }));

Deno.test("a database of a newer Parley is refused", async () => {
  const newer = statement("INSERT INTO __drizzle_migrations (hash, created_at) VALUES ('h', ?)", [
    9_999_999_999_999,
  ]);
  await using remote = await testRemote();
  await remote.write([newer]);
  const { url, token } = remote.server;
  for (const migrate of [true, false]) {
    assertMatch(await refusal({ url, token, migrate }), /is of a newer Parley/);
    await using db = await testDatabase();
    await db.write([newer]);
    assertMatch(
      await refusal({ url: `file:${db.dir}/parley.db`, migrate }),
      /is of a newer Parley/,
    );
  }
});

Deno.test("without migrating, only a database with exactly these tables is opened", () =>
  inFolder(async (dir) => {
    const url = `file:${dir}/parley.db`;
    assertMatch(await refusal({ url, migrate: false }), /There is no database .* yet/);
    assertEquals([...Deno.readDirSync(dir)], []);
    await Deno.writeTextFile(`${dir}/parley.db`, "");
    assertMatch(await refusal({ url, migrate: false }), /restart the server with this version/);
    await using server = await testDatabase(dir);
    await server.write([RUN]);
    const beside = await openDatabase({ url, migrations: MIGRATIONS, migrate: false });
    assertEquals(await beside.all(statement("SELECT id FROM chats")), [{ id: "c" }]);
    await beside.close();
    await server.write([statement(
      "DELETE FROM __drizzle_migrations WHERE created_at = (SELECT max(created_at) FROM __drizzle_migrations)",
    )]);
    assertMatch(
      await refusal({ url, migrate: false }),
      /is of an older Parley: restart the server/,
    );
  }));

Deno.test("a write that meets another program's lock is refused, and works once that is gone", async () => {
  await using db = await testDatabase();
  const url = `file:${db.dir}/parley.db`;
  const me = await openDatabase({ url, migrations: MIGRATIONS, busyTimeoutMs: 20 });
  // Of the same SQLite: locks of two copies of it in one process do not meet.
  const program = new Libsql(`${db.dir}/parley.db`);
  for (const statements of [[RUN], [RUN, statement("UPDATE chats SET title = 'u'")]]) {
    program.exec("BEGIN IMMEDIATE");
    const error = await assertRejects(() => me.write(statements), AppError);
    assertEquals([error.code, error.message], [
      "unavailable",
      "The database is locked by another program",
    ]);
    assertEquals(await me.all(statement("SELECT id FROM chats")), []);
    program.exec("ROLLBACK");
    await me.write(statements);
    await me.write([statement("DELETE FROM chats")]);
  }
  program.close();
  await me.close();
});

Deno.test("writes that met another program's lock keep no later one from being stored", async () => {
  await using db = await testDatabase();
  const url = `file:${db.dir}/parley.db`;
  const me = await openDatabase({ url, migrations: MIGRATIONS, busyTimeoutMs: 20 });
  const program = new Libsql(`${db.dir}/parley.db`);
  const update = statement("UPDATE chats SET title = 'u'");
  const returning = statement("UPDATE chats SET title = 'v' RETURNING id");
  const writes: (() => Promise<unknown>)[] = [
    () => me.write([RUN]),
    () => me.all(update),
    () => me.all(returning),
  ];
  writes.push(() => me.write([RUN, update]));
  program.exec("BEGIN IMMEDIATE");
  for (const write of writes) await assertRejects(write, AppError, "locked");
  program.exec("ROLLBACK");
  await me.write([RUN]);
  // Another connection sees it, and may write, too.
  assertEquals(await db.all(statement("SELECT title FROM chats")), [{ title: "t" }]);
  program.exec("BEGIN IMMEDIATE");
  program.exec("ROLLBACK");
  program.close();
  await me.close();
});
