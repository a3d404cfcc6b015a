/** P4 and P12 where the storage fails for a moment only: a log has no gap, and its end is stored once. */
import { assertEquals } from "@std/assert";
import { AppError } from "../../src/domain/errors.ts";
import type { TestServer } from "../kit/parley.ts";
import { replacing } from "../kit/stores.ts";
import { gate } from "../kit/provider/provider.ts";
import { startScripted } from "../kit/scripted.ts";
import { Frames } from "./frames.ts";
import { join } from "./reading.ts";
import { Stored } from "./stored.ts";
import { assertKept, assertSameBytes, saidBy, Witness } from "./witness.ts";

const failed = () => new AppError("storage_failed", "The database failed");

/** What is in the database of a run whose storage failed, once it has ended there too. */
async function checkEnded(server: TestServer, chat: string, witness: Witness): Promise<void> {
  const run = witness.runId;
  // Waits until the chat is free, which is when the run's ending is stored.
  const body = { message: { role: "user", content: "And now?" }, model: "scripted", busy: "queue" };
  const next = new Witness(
    await server.ask("POST", `/api/v2/chats/${chat}/messages`, {
      body,
      signal: AbortSignal.timeout(30_000),
    }),
  );
  assertEquals(await next.over, "ended");
  assertEquals(saidBy(next.parts).end, "stop");

  await using stored = await Stored.open(server.dataDir);
  assertEquals([await stored.liveRuns(), await stored.openAttempts()], [0, []]);
  const frames = new Frames(await stored.log(run));
  const again = await (await join(server, { chat, run, after: 0, by: "after" })).bytes();
  assertSameBytes(again, frames.whole);
  const replay = new Witness(await join(server, { chat, run, after: 0, by: "after" }));
  assertEquals(await replay.over, "ended");
  const ends = replay.parts.filter(({ code }) => code === "d");
  assertEquals(ends.length, 1, "a run has one end");
  assertEquals(replay.parts.at(-1), ends[0], "nothing comes behind the end");
  const messages = await stored.messages();
  const answer = messages.get(saidBy(witness.parts).messageId!);
  assertEquals(answer?.length, 1);
  assertKept(replay.parts, answer![0], { whole: true });
  assertKept(witness.parts, answer![0], { whole: false });
}

for (const durability of ["before", "after"]) {
  Deno.test(`events that come while a group fails leave no gap in a log that is stored ${durability}`, async () => {
    const more = gate();
    const failing = Promise.withResolvers<void>();
    const fail = gate();
    let isFailing = false;
    let isTriedAgain = false;
    const stores = replacing(({ events }) => ({
      events: {
        async append(groups, endings) {
          if (isTriedAgain) {
            isTriedAgain = false;
            throw failed();
          }
          if (!isFailing) return await events.append(groups, endings);
          isFailing = false;
          isTriedAgain = true;
          failing.resolve();
          // As over a line: the answer takes its time, and more events come meanwhile.
          await fail.opened;
          throw failed();
        },
      },
    }));
    const after = gate();
    await using scripted = await startScripted({
      stores,
      env: { PARLEY_DURABILITY: durability },
      script: {
        steps: [
          { text: "one " },
          { wait: more },
          { text: "two " },
          { wait: after },
          { text: "three " },
        ],
      },
    });
    const chat = await scripted.chat();
    const witness = new Witness(await scripted.send(chat, "Hello"));
    await witness.piece("one ");
    isFailing = true;
    more.open();
    await failing.promise;
    after.open();
    // It has come when the provider's answer is over and read.
    await scripted.provider.requests[0]!.ended;
    await scripted.server.ask("GET", "/healthz").then((response) => response.text());
    fail.open();
    assertEquals(await witness.over, "ended");
    assertEquals(witness.parts.slice(-2).map(({ code }) => code), ["3", "d"]);
    await checkEnded(scripted.server, chat, witness);
  });
}

Deno.test("an ending that is stored and could not be synced is not stored again", async () => {
  let unsynced: "none" | "now" | "one" = "none";
  const stores = replacing(({ events, disk }) => ({
    events: {
      async append(groups, endings) {
        if (endings.length > 0 && unsynced === "none") unsynced = "now";
        return await events.append(groups, endings);
      },
    },
    disk: {
      async durable() {
        await disk.durable();
        if (unsynced !== "now") return;
        unsynced = "one";
        throw failed();
      },
    },
  }));
  const sent = gate();
  const script = { steps: [{ text: "one" }, { wait: sent }] };
  await using scripted = await startScripted({ stores, script });
  const { server } = scripted;
  const chat = await scripted.chat();
  const witness = new Witness(await scripted.send(chat, "Hello"));
  // The send itself waits for the disk too.
  sent.open();
  assertEquals(await witness.over, "ended");
  assertEquals(witness.parts.slice(-2).map(({ code }) => code), ["3", "d"]);
  const ends = server.logged.map((line) => JSON.parse(line)).filter((line) => line.run);
  assertEquals(ends.find(({ message }) => message === "run")?.state, "completed");
  // What is still tried to be stored would be stopped first, and so waited for.
  const stop = await server.ask("POST", `/api/v2/chats/${chat}/stop`, {
    body: {},
    signal: AbortSignal.timeout(10_000),
  });
  await stop.body?.cancel();
  await checkEnded(server, chat, witness);
});
