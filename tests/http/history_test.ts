/** The history beside a run that is live: it lacks nothing that no stream brings any more. */
import { assertEquals } from "@std/assert";
import { StreamReader } from "../kit/data_stream.ts";
import { gate } from "../kit/provider/provider.ts";
import { type RemoteDatabase, startRemoteDatabase } from "../kit/remote_database.ts";
import { pass } from "../kit/random.ts";
import { startScripted } from "../kit/scripted.ts";
import { replacing } from "../kit/stores.ts";
import { rowsOf } from "../runs/many_kit.ts";

/** Does `meanwhile` once all is read that a history shows, before it is looked at whether that is all. */
function holdAtEnd(db: RemoteDatabase, meanwhile: () => Promise<void>): void {
  let looks = 0;
  db.faults.hold = (sql) => {
    if (!sql.includes("LEFT JOIN runs") || ++looks < 2) return undefined;
    db.faults.hold = undefined;
    return meanwhile();
  };
}

Deno.test("an answer that ends while the history is read is in it", async () => {
  const more = gate();
  await using db = await startRemoteDatabase();
  await using scripted = await startScripted({
    env: db.env,
    script: { steps: [{ text: "one " }, { wait: more }, { text: "two" }] },
  });
  const chat = await scripted.chat();
  const answer = new StreamReader(await scripted.send(chat, "Hello"));
  await answer.until("one ");
  holdAtEnd(db, async () => {
    more.open();
    await answer.rest();
  });
  const history = await scripted.history(chat);
  assertEquals(history.map(({ content }) => content), ["Hello", "one two"]);
});

Deno.test("an answer that is made whole while the history is read is in it", async () => {
  await using db = await startRemoteDatabase();
  await using scripted = await startScripted({
    env: db.env,
    script: { steps: [{ text: "one" }] },
  });
  const chat = await scripted.chat();
  holdAtEnd(db, async () => {
    await (await scripted.send(chat, "Hello")).text();
  });
  const history = await scripted.history(chat);
  assertEquals(history.map(({ content }) => content), ["Hello", "one"]);
});

Deno.test("a page is not longer than its limit, whatever is answered while it is read", async () => {
  await using db = await startRemoteDatabase();
  await using scripted = await startScripted({
    env: db.env,
    script: { steps: [{ text: "one" }] },
  });
  const chat = await scripted.chat();
  await (await scripted.send(chat, "Hello")).text();
  holdAtEnd(db, async () => {
    await (await scripted.send(chat, "Again")).text();
  });
  const page = await scripted.server.ask("GET", `/api/v2/chats/${chat}/messages?limit=1`);
  assertEquals((await page.json()).length, 1);
});

Deno.test("a branch is chosen between two sends, and not within one", async () => {
  const [asked, held] = [gate(), gate()];
  await using scripted = await startScripted({
    script: { steps: [{ text: "ok" }] },
    stores: replacing(({ messages }) => ({
      messages: {
        descend: async (...of) => {
          const below = await messages.descend(...of);
          asked.open();
          await held.opened;
          return below;
        },
      },
    })),
  });
  const { server } = scripted;
  const chat = await scripted.chat();
  await (await scripted.send(chat, "one")).text();
  const [answer] = await rowsOf(
    server.dataDir,
    "SELECT key FROM messages WHERE role = 'assistant'",
  );
  const chosen = server.ask("PATCH", `/api/v2/chats/${chat}`, { body: { branch: answer!.key } });
  await asked.opened;
  const sent = scripted.send(chat, "two").then((response) => response.text());
  await Promise.race([sent, pass(100)]);
  held.open();
  assertEquals((await chosen).status, 200);
  await sent;
  const history = await scripted.history(chat);
  assertEquals(history.map(({ content }) => content), ["one", "ok", "two", "ok"]);
});
