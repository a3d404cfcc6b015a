/** One write of many runs' events fails: that ends no run but those that cannot be written alone. */
import { assertEquals } from "@std/assert";
import type { EventStore } from "../../src/domain/ports.ts";
import { FastClock } from "../kit/clock.ts";
import { partsOf, StreamReader, textOf } from "../kit/data_stream.ts";
import { gate, lastUserText } from "../kit/provider/provider.ts";
import { startScripted } from "../kit/scripted.ts";
import { replacing } from "../kit/stores.ts";
import { eventually } from "./injected_kit.ts";
import { rowsOf, within } from "./many_kit.ts";

const RUNS = 8;

/** What becomes of a write: it fails, or it is done and the answer is lost. */
type Fate = "fails" | "is lost";

interface Case {
  name: string;
  /** How often the group is written in vain. */
  inVain: number;
  /** True if one run's own write fails, too. */
  one?: true;
  /** True if the group holds endings. */
  endings: boolean;
}

const CASES: Case[] = [false, true].flatMap((endings) => [
  { name: "once", inVain: 1, endings },
  { name: "twice, and each run is written alone", inVain: 2, endings },
  { name: "twice, and then one run alone", inVain: 2, one: true as const, endings },
]);

for (const fate of ["fails", "is lost"] as const) {
  for (const { name, inVain, one, endings } of CASES) {
    const what = endings ? "endings" : "events";
    Deno.test(`a write of many runs' ${what} that ${fate} ${name}`, async () => {
      const [more, end] = [gate(), gate()];
      const append = unlucky(fate, inVain, one ?? false, endings);
      await using scripted = await startScripted({
        clock: new FastClock(50),
        script: ({ body }) => ({
          steps: lastUserText(body) === "next" ? [{ text: "one two" }] : [
            { text: "one " },
            { wait: more },
            { text: "two" },
            ...endings ? [] : [{ wait: end }],
          ],
        }),
        stores: replacing(({ events }) => ({ events: { append: append.on(events) } })),
      });
      const chats = await Promise.all(Array.from({ length: RUNS }, () => scripted.chat()));
      const readers = await Promise.all(
        chats.map(async (chat) => new StreamReader(await scripted.send(chat, "Hello"))),
      );
      for (const reader of readers) await reader.until("one ");
      append.arm();
      more.open();
      await within(10_000, "the faults", append.over);
      end.open();
      const rest = Promise.all(readers.map((reader) => reader.rest()));
      const parts = (await within(10_000, "the streams", rest)).map(partsOf);

      const isFailed = parts.map((list) => list.some(({ code }) => code === "3"));
      assertEquals(isFailed.filter(Boolean).length, one ? 1 : 0);
      parts.forEach((list, run) => {
        if (!isFailed[run]) assertEquals(textOf(list), "one two");
        assertEquals(list.filter(({ code }) => code === "d").length, 1);
      });
      await eventually("each run has ended", async () => {
        const rows = await rowsOf(
          scripted.server.dataDir,
          "SELECT state, count(*) AS n FROM runs GROUP BY state ORDER BY state",
        );
        // What was stored although nobody was told so is whole.
        const failed = one && (fate === "fails" || !endings) ? 1 : 0;
        assertEquals(
          rows.map(({ state, n }) => [state, n]),
          [["completed", RUNS - failed], ...failed ? [["failed", failed]] : []],
        );
      });
      for (const chat of chats) {
        const next = await scripted.send(chat, "next");
        assertEquals(textOf(partsOf(await next.text())), "one two");
      }
    });
  }
}

/** An `append` of which some writes of several runs fail, and then perhaps those of one of them. */
function unlucky(fate: Fate, inVain: number, one: boolean, endings: boolean) {
  const over = Promise.withResolvers<void>();
  let left = -1;
  let failing: string | undefined;
  return {
    over: over.promise,
    arm: () => void (left = inVain),
    on: ({ append }: EventStore): EventStore["append"] => async (groups, ended) => {
      const ids = new Set([...groups, ...ended.map(({ run }) => ({ runId: run.id }))]
        .map(({ runId }) => runId));
      const isGroup = ids.size > 1 && (!endings || ended.length > 0);
      const isOne = failing !== undefined && ids.has(failing);
      if (!(left > 0 && isGroup) && !isOne) return await append(groups, ended);
      if (isGroup) left--;
      if (left === 0 && isGroup && one) failing = endings ? ended[0]!.run.id : [...ids][0];
      else if (isOne) failing = undefined;
      if (left === 0 && failing === undefined) over.resolve();
      if (fate === "is lost") await append(groups, ended);
      throw new Error("injected");
    },
  };
}

Deno.test("a message that waits outlasts any number of changes to its chat", async () => {
  const held = gate();
  let moved = 0;
  await using scripted = await startScripted({
    clock: new FastClock(50),
    script: { steps: [{ wait: held }, { text: "ok" }] },
    stores: replacing(({ runs }) => ({
      runs: {
        begin: (beginning) => {
          if (!beginning.queued || moved === 10) return runs.begin(beginning);
          moved++;
          return Promise.resolve("moved");
        },
      },
    })),
  });
  const chat = await scripted.chat();
  const sends = [await scripted.send(chat, "first")];
  for (const text of ["second", "third"]) {
    sends.push(await scripted.send(chat, text, { busy: "queue" }));
  }
  held.open();
  for (const response of sends) {
    assertEquals(textOf(partsOf(await within(10_000, "an answer", response.text()))), "ok");
  }
  assertEquals(moved, 10);
  const asked = (await scripted.history(chat)).filter(({ role }) => role === "user");
  assertEquals(asked.map(({ content }) => content), ["first", "second", "third"]);
});

Deno.test("a send whose chat keeps changing is refused, stores nothing, and works later", async () => {
  let moved = 0;
  await using scripted = await startScripted({
    stores: replacing(({ runs }) => ({
      runs: {
        begin: (beginning) => moved++ < 10 ? Promise.resolve("moved") : runs.begin(beginning),
      },
    })),
  });
  const chat = await scripted.chat();
  const key = { "idempotency-key": "k" };
  let answer = await scripted.send(chat, "Hello", {}, key);
  let refused = 0;
  for (; answer.status === 409; answer = await scripted.send(chat, "Hello", {}, key)) {
    refused++;
    assertEquals((await answer.json()).message, "The chat is busy");
    assertEquals(await scripted.history(chat), []);
  }
  assertEquals(textOf(partsOf(await answer.text())), "ok");
  assertEquals([refused > 0, (await scripted.history(chat)).length], [true, 2]);
});
