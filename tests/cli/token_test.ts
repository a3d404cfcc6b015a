/** `parley token` beside a server of another version, and without any. */
import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { run } from "../../src/cli/run.ts";
import { MIGRATIONS } from "../kit/database.ts";
import { startParley } from "../kit/parley.ts";
import { rowsOf } from "../runs/many_kit.ts";

/** Runs `parley token` in this process. */
async function token(dataDir: string, migrations: string, ...args: string[]) {
  const [printed, warned]: string[][] = [[], []];
  const code = await run({
    args: ["token", ...args, "--data", dataDir],
    env: {},
    migrations,
    print: (line) => void printed!.push(line),
    warn: (line) => void warned!.push(line),
    stderr: Deno.stderr,
    readFile: Deno.readTextFileSync,
  });
  return { code, printed: printed!.join("\n"), warned: warned!.join("\n") };
}

/** The migrations of a later version: one table more. */
async function laterMigrations(): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "parley-migrations-" });
  await Deno.mkdir(`${folder}/meta`);
  for await (const { name, isFile } of Deno.readDir(MIGRATIONS)) {
    if (isFile) await Deno.copyFile(`${MIGRATIONS}/${name}`, `${folder}/${name}`);
  }
  const journal = JSON.parse(await Deno.readTextFile(`${MIGRATIONS}/meta/_journal.json`));
  const last = journal.entries.at(-1);
  journal.entries.push({ ...last, idx: last.idx + 1, when: last.when + 1, tag: "9999_later" });
  await Deno.writeTextFile(`${folder}/meta/_journal.json`, JSON.stringify(journal));
  await Deno.writeTextFile(`${folder}/9999_later.sql`, "CREATE TABLE later (id text);");
  return folder;
}

const LATER = "SELECT name FROM sqlite_master WHERE name = 'later'";

Deno.test("a token command of another version changes no table beside a server", async () => {
  const later = await laterMigrations();
  try {
    await using server = await startParley();
    const { dataDir } = server;
    const refused = await token(dataDir, later, "create", "--user", "carol");
    assertEquals([refused.code, refused.printed], [2, ""]);
    assertMatch(refused.warned, /of an older Parley: restart the server with this version first/);
    assertEquals(await rowsOf(dataDir, LATER), []);
    assertEquals(await rowsOf(dataDir, "SELECT 1 FROM tokens"), []);
    // The server's own version does what it is asked.
    const made = await token(dataDir, MIGRATIONS, "create", "--user", "carol");
    assertMatch(made.printed, /^parley_[\w-]{43}$/);
    assertEquals(
      (await server.ask("GET", "/api/v2/users/me", { token: made.printed })).status,
      200,
    );
  } finally {
    await Deno.remove(later, { recursive: true });
  }
});

Deno.test("a token command works without a server, and brings the tables up to date", async () => {
  const later = await laterMigrations();
  const dataDir = await Deno.makeTempDir({ prefix: "parley-test-" });
  try {
    const made = await token(dataDir, MIGRATIONS, "create", "--user", "carol", "--name", "first");
    assertEquals(made.code, 0);
    assertEquals(await rowsOf(dataDir, LATER), []);
    const listed = await token(dataDir, later, "list");
    assertEquals([listed.code, (await rowsOf(dataDir, LATER)).length], [0, 1]);
    assertStringIncludes(listed.printed, "carol");
    // By now the database is of a later version than this one.
    const refused = await token(dataDir, MIGRATIONS, "list");
    assertEquals(refused.code, 2);
    assertMatch(refused.warned, /of a newer Parley/);
    // The lock is free again, and what was made is good.
    assertEquals((await token(dataDir, later, "revoke", "first")).code, 0);
  } finally {
    await Deno.remove(dataDir, { recursive: true });
    await Deno.remove(later, { recursive: true });
  }
});

Deno.test("tokens are revoked by id, or by a name that leaves no doubt", async () => {
  const dataDir = await Deno.makeTempDir({ prefix: "parley-test-" });
  const parley = (...args: string[]) => token(dataDir, MIGRATIONS, ...args);
  const list = async () =>
    JSON.parse((await parley("list", "--json")).printed) as Record<string, string>[];
  try {
    for (const user of ["alice", "bob", "bob"]) {
      await parley("create", "--user", user, "--name", "laptop");
    }
    const [alice, bob, other] = await list();
    const doubt = await parley("revoke", "laptop");
    assertEquals(doubt.code, 2);
    assertEquals(
      doubt.warned,
      `parley: 3 tokens are called "laptop": give one's id (${alice!.id} of alice, ${
        bob!.id
      } of bob, ` +
        `${other!.id} of bob).`,
    );
    assertMatch((await parley("revoke", "laptop", "--user", "bob")).warned, /2 tokens are called/);
    assertMatch((await parley("revoke", alice!.id!, "--user", "bob")).warned, /No token of bob/);
    assertEquals((await list()).length, 3);
    assertEquals(
      (await parley("revoke", "laptop", "--user", "alice")).printed,
      'Revoked the token "laptop" of alice.',
    );
    await parley("revoke", bob!.id!);
    // Now nobody else has it.
    assertEquals((await parley("revoke", "laptop")).code, 0);
    const none = await parley("list");
    assertEquals([none.printed, none.warned], ["", "There are no tokens."]);
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
});

Deno.test("a token needs a name and a user that can be told and typed", async () => {
  const dataDir = await Deno.makeTempDir({ prefix: "parley-test-" });
  try {
    for (const flag of ["--name", "--user"]) {
      for (const value of ["", " ", " a", "a ", "a\tb", "a\nb", "a\u0000", "x".repeat(101)]) {
        const refused = await token(dataDir, MIGRATIONS, "create", flag, value);
        assertEquals([refused.code, refused.printed], [2, ""], JSON.stringify(value));
        assertMatch(refused.warned, new RegExp(`^parley: Invalid ${flag}: expected 1 to 100 `));
      }
    }
    const secret = `parley_${"x".repeat(43)}`;
    const made = await token(dataDir, MIGRATIONS, "create", "--user", "álice b", "--name", "日本");
    assertEquals(made.code, 0);
    // A secret by mistake is not repeated.
    const refused = await token(dataDir, MIGRATIONS, "revoke", secret);
    assertEquals([refused.code, refused.warned.includes(secret)], [2, false]);
  } finally {
    await Deno.remove(dataDir, { recursive: true });
  }
});

Deno.test("a folder or database that does not exist is told, and not made", async () => {
  const parent = await Deno.makeTempDir({ prefix: "parley-test-" });
  try {
    for (const action of [["create"], ["list"], ["revoke", "x"]]) {
      const missing = await token(`${parent}/missing`, MIGRATIONS, ...action);
      assertEquals([missing.code, missing.printed], [2, ""]);
      assertMatch(missing.warned, /There is no folder .*\/missing: start the server first/);
    }
    for (const action of [["list"], ["revoke", "x"]]) {
      const missing = await token(parent, MIGRATIONS, ...action);
      assertMatch(missing.warned, /There is no database .*\/parley.db yet/);
    }
    assertEquals([...Deno.readDirSync(parent)], []);
  } finally {
    await Deno.remove(parent, { recursive: true });
  }
});
