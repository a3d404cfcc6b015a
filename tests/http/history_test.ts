/** The history beside a run that is live: it lacks nothing that no stream brings any more. */
import { assertEquals } from "@std/assert";
import { StreamReader } from "../kit/data_stream.ts";
import { gate } from "../kit/provider/provider.ts";
import { startRemoteDatabase } from "../kit/remote_database.ts";
import { startScripted } from "../kit/scripted.ts";

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
  let isRead = false;
  db.faults.hold = (sql) => {
    if (sql.includes("WITH RECURSIVE branch")) isRead = true;
    if (!isRead || !sql.includes("FROM runs WHERE chat_id")) return undefined;
    db.faults.hold = undefined;
    more.open();
    return answer.rest();
  };
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
  let whole: Promise<string> | undefined;
  db.faults.hold = (sql) => {
    if (whole) {
      // The run has not ended in what is read first, and has in all that is read behind it.
      return sql.includes("FROM runs WHERE chat_id") ? whole : undefined;
    }
    if (!sql.includes("WITH RECURSIVE branch")) return undefined;
    const begun = Promise.withResolvers<void>();
    whole = scripted.send(chat, "Hello").then((sent) => {
      begun.resolve();
      return sent.text();
    });
    return begun.promise;
  };
  const history = await scripted.history(chat);
  assertEquals(history.map(({ content }) => content), ["Hello", "one"]);
});
