/** What only a line can do to a database. */
import { assertEquals, assertRejects } from "@std/assert";
import { AppError } from "../../src/domain/errors.ts";
import { Buckets } from "../../src/store/buckets.ts";
import { chatStore } from "../../src/store/chats.ts";
import { openDatabase } from "../../src/store/database.ts";
import { eventStore } from "../../src/store/events.ts";
import { runStore } from "../../src/store/runs.ts";
import { MIGRATIONS, testRemote } from "../kit/database.ts";
import { loseAnswers, startRemoteDatabase } from "../kit/remote_database.ts";
import { beginningOf, chatOf, endingOf } from "../kit/stored_run.ts";

Deno.test("two processes that open a database at once make its tables once", async () => {
  await using server = await startRemoteDatabase();
  // Both have looked before either writes.
  server.faults.latencyMs = 30;
  const { url, token } = server;
  const both = await Promise.all(
    [1, 2].map(() => openDatabase({ url, token, migrations: MIGRATIONS })),
  );
  const { entries } = JSON.parse(await Deno.readTextFile(`${MIGRATIONS}/meta/_journal.json`));
  assertEquals(server.rows("SELECT * FROM __drizzle_migrations").length, entries.length);
  for (const db of both) await db.close();
});

Deno.test("events and an ending whose answer was lost on the line are stored once, and not lost", async () => {
  await using db = await testRemote();
  const buckets = new Buckets(db, { shared: true });
  await chatStore(db).create(chatOf(), { titled: false });
  assertEquals(await runStore(db, buckets).begin(beginningOf()), "begun");
  const log = eventStore(db, "me", buckets);
  const event = { type: "text-delta" as const, id: "t", text: "x" };
  const group = (first: number) => ({ runId: "r", first, events: [event] });
  loseAnswers(db.server, "events", { always: false });
  assertEquals(await log.append([group(1)], []), new Set());
  loseAnswers(db.server, "events", { always: true });
  const error = await assertRejects(() => log.append([group(2)], [endingOf()]), AppError);
  assertEquals([error.code, error.retryAfter], ["unavailable", 5]);
  db.server.faults.cut = undefined;
  assertEquals(await log.append([group(2)], [endingOf()]), new Set());
  assertEquals((await log.read("r", 0)).map(({ seq }) => seq), [1, 2]);
  assertEquals((await runStore(db, buckets).find("o", "r"))?.state, "completed");
});
