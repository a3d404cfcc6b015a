/** A database of an earlier version is brought up to date with all that is in it. */
import { assertEquals } from "@std/assert";
import { createClient } from "@libsql/client";
import { drizzle } from "drizzle-orm/libsql";
import { migrate } from "drizzle-orm/libsql/migrator";
import { Buckets } from "../../src/store/buckets.ts";
import { chatStore } from "../../src/store/chats.ts";
import { eventStore } from "../../src/store/events.ts";
import { fileStore } from "../../src/store/files.ts";
import { runStore } from "../../src/store/runs.ts";
import { statement } from "../../src/store/statement.ts";
import { MIGRATIONS, testDatabase } from "../kit/database.ts";
import { endingOf } from "../kit/stored_run.ts";

/** Makes a database with the first migrations alone. */
async function makeEarlier(dir: string, migrations: number, statements: string): Promise<void> {
  const folder = `${dir}/migrations`;
  await Deno.mkdir(`${folder}/meta`, { recursive: true });
  const journal = JSON.parse(await Deno.readTextFile(`${MIGRATIONS}/meta/_journal.json`));
  journal.entries = journal.entries.slice(0, migrations);
  await Deno.writeTextFile(`${folder}/meta/_journal.json`, JSON.stringify(journal));
  for (const { tag } of journal.entries) {
    await Deno.copyFile(`${MIGRATIONS}/${tag}.sql`, `${folder}/${tag}.sql`);
  }
  const client = createClient({ url: `file:${dir}/parley.db` });
  await migrate(drizzle(client), { migrationsFolder: folder });
  await client.executeMultiple(statements);
  client.close();
}

const run = (name: string, state: string) => `
  INSERT INTO chats (id, owner_id, title, created_at, updated_at) VALUES ('c${name}', 'o', 't', 0, 0);
  INSERT INTO runs (id, chat_id, owner_id, prompt_key, message_id, model, protocol, state, created_at,
    lease_owner, lease_until)
  VALUES ('r${name}', 'c${name}', 'o', 'k', 'm', 'x', 'data', '${state}', 0, 'before', 0);
  INSERT INTO events (run_id, seq, last_seq, data) VALUES
    ('r${name}', 1, 2, '[{"type":"text-start","id":"t"},{"type":"text-delta","id":"t","text":"a"}]'),
    ('r${name}', 3, 3, '[{"type":"text-delta","id":"t","text":"b"}]');`;

Deno.test("logs from before rows were kept by time are read, go on, expire and go with their chat", async () => {
  const dir = await Deno.makeTempDir({ prefix: "parley-db-" });
  try {
    const runs = ["live", "ended", "gone"].map((name) =>
      run(name, name === "live" ? "running" : "completed")
    );
    await makeEarlier(dir, 3, runs.join(""));
    await using db = await testDatabase(dir);
    const buckets = new Buckets(db, { shared: false });
    const log = eventStore(db, "before", buckets);
    const seqs = async (id: string) => (await log.read(id, 0)).map(({ seq }) => seq);
    assertEquals(await seqs("rended"), [1, 2, 3]);
    assertEquals((await runStore(db, buckets).find("o", "rended"))?.lastSeq, 3);

    const next = { runId: "rlive", first: 4, events: [] };
    await log.append([{ ...next, events: [{ type: "text-end", id: "t" }] }], [endingOf("live")]);
    assertEquals(await seqs("rlive"), [1, 2, 3, 4]);

    for await (const _ of log.expire(2));
    assertEquals(await seqs("rlive"), []);
    await chatStore(db).delete("o", "cgone");
    const left = await db.all(
      statement<{ id: string }>("SELECT DISTINCT run_id AS id FROM events"),
    );
    assertEquals(left.map(({ id }) => id), ["rended"]);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});

Deno.test("files from before chats could share them are read, and the rest of gone runs' logs is gone", async () => {
  const dir = await Deno.makeTempDir({ prefix: "parley-db-" });
  try {
    await makeEarlier(
      dir,
      4,
      `INSERT INTO chats (id, owner_id, title, created_at, updated_at) VALUES ('c', 'o', 't', 0, 0);
       INSERT INTO files (id, chat_id, owner_id, media_type, filename, size, created_at, bytes)
         VALUES ('f', 'c', 'o', 'text/plain', NULL, 3, 7, zeroblob(196611));
       INSERT INTO events (bucket, run_id, seq, last_seq, data) VALUES (1, 'gone', 1, 1, '[]');`,
    );
    await using db = await testDatabase(dir);
    const files = fileStore(db);
    assertEquals((await files.find("o", ["f"], "c"))[0], {
      id: "f",
      chatId: "c",
      ownerId: "o",
      mediaType: "text/plain",
      filename: null,
      size: 3,
      createdAt: 7,
    });
    const pieces = await Array.fromAsync(files.read("f"));
    assertEquals(pieces.map((piece) => piece.length), [192 * 1024, 3]);
    assertEquals(await db.all(statement("SELECT 1 FROM events")), []);
  } finally {
    await Deno.remove(dir, { recursive: true });
  }
});
