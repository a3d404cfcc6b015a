/** What every database does, be it a file or behind a line. */
import { assert, assertEquals, assertRejects } from "@std/assert";
import { AppError } from "../../src/domain/errors.ts";
import { isMissingRow, isUniqueViolation } from "../../src/store/failure.ts";
import { statement } from "../../src/store/statement.ts";
import { DATABASES } from "../kit/database.ts";

for (const [kind, open] of Object.entries(DATABASES)) {
  Deno.test(`${kind} gives values back as they were`, async () => {
    await using db = await open();
    const bytes = Uint8Array.from({ length: 300 }, (_, index) => index % 256);
    await db.write([
      statement("CREATE TABLE kinds (a TEXT, b INTEGER, c REAL, d BLOB, e INTEGER, f TEXT)"),
      statement("INSERT INTO kinds VALUES (?, ?, ?, ?, ?, ?)", [
        "ä€😀",
        2 ** 50,
        1.5,
        bytes,
        true,
        null,
      ]),
    ]);
    interface Kinds {
      a: string;
      b: number;
      c: number;
      d: Uint8Array;
      e: number;
      f: null;
    }
    const row = await db.get(statement<Kinds>("SELECT a, b, c, d, e, f FROM kinds"));
    assert(row);
    const { d, ...rest } = row;
    assertEquals(rest, { a: "ä€😀", b: 2 ** 50, c: 1.5, e: 1, f: null });
    assert(d instanceof Uint8Array);
    assertEquals([...d], [...bytes]);
    assertEquals(await db.get(statement("SELECT 1 FROM kinds WHERE b = ?", [0])), undefined);
  });

  Deno.test(`${kind} tells how many rows each statement changed, and those that it returned`, async () => {
    await using db = await open();
    const [, inserted, none, updated, kept] = await db.write([
      statement("CREATE TABLE numbers (n INTEGER PRIMARY KEY)"),
      statement<{ n: number }>("INSERT INTO numbers VALUES (1), (2), (3) RETURNING n"),
      statement("DELETE FROM numbers WHERE n = 9"),
      statement("UPDATE numbers SET n = n + 10"),
      statement("INSERT INTO numbers VALUES (11), (21) ON CONFLICT DO NOTHING"),
    ]);
    assertEquals(inserted, { rowsAffected: 3, rows: [{ n: 1 }, { n: 2 }, { n: 3 }] });
    assertEquals([none, updated, kept].map(({ rowsAffected }) => rowsAffected), [0, 3, 1]);
    const [alone] = await db.write([statement("DELETE FROM numbers")]);
    assertEquals(alone.rowsAffected, 4);
  });

  Deno.test(`${kind} does all of a transaction or none of it, and goes on after`, async () => {
    await using db = await open();
    await db.write([statement("CREATE TABLE numbers (n INTEGER PRIMARY KEY, t TEXT NOT NULL)")]);
    const one = statement("INSERT INTO numbers VALUES (1, 'one')");
    const two = statement("INSERT INTO numbers VALUES (2, 'two')");
    const nothing = statement("INSERT INTO numbers VALUES (3, NULL)");
    const error = await assertRejects(() => db.write([one, two, one]), AppError);
    assert(isUniqueViolation(error));
    assert(isMissingRow(await assertRejects(() => db.write([one, nothing]), AppError)));
    const broken = await assertRejects(
      () => db.write([one, statement("nonsense 'secret'")]),
      AppError,
    );
    assertEquals([broken.code, broken.message], ["storage_failed", "The database failed"]);
    const count = statement<{ n: number }>("SELECT count(*) AS n FROM numbers");
    assertEquals(await db.get(count), { n: 0 });
    await db.write([one, two]);
    assertEquals(await db.get(count), { n: 2 });
  });

  Deno.test(`${kind} says nothing of a statement or its values if it fails`, async () => {
    await using db = await open();
    const insert = (id: string) =>
      db.write([
        statement(
          "INSERT INTO tokens (id, name, username, hash, created_at) VALUES (?, ?, ?, ?, ?)",
          [
            id,
            "n",
            "u",
            "secret",
            1,
          ],
        ),
      ]);
    await insert("1");
    const error = await assertRejects(() => insert("2"), AppError);
    assertEquals([error.code, isUniqueViolation(error)], ["storage_failed", true]);
    assert(!/secret|insert into/i.test(Deno.inspect(error)));
    const broken = await assertRejects(() => db.get(statement("SELECT secret")), AppError);
    assertEquals(broken.message, "The database failed");
  });

  Deno.test(`${kind} checks as many statements as there are`, async () => {
    await using db = await open();
    for (let n = 0; n < 500; n++) {
      assertEquals(await db.get(statement(`SELECT ? + ${n} AS n`, [1])), { n: n + 1 });
    }
    assertEquals(await db.all(statement(`SELECT ? + 0 AS n`, [5])), [{ n: 5 }]);
  });
}
