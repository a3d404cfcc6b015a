/** Calls of tools and their approvals with two Parleys on one database. */
import { assertEquals } from "@std/assert";
import { systemClock } from "../../src/domain/clock.ts";
import { startProvider } from "../kit/provider/provider.ts";
import { startRemoteDatabase } from "../kit/remote_database.ts";
import { type Scripted, startScripted } from "../kit/scripted.ts";
import { testToolbox } from "../kit/toolbox.ts";
import { answer, approvalsOf, asking, follow, uiHistory } from "../runs/approvals_kit.ts";

/** Two Parleys whose model calls `test__act` twice at once; `ran` counts both. */
async function startTwo(options: Parameters<typeof startScripted>[0] = {}) {
  const stack = new AsyncDisposableStack();
  const db = stack.use(await startRemoteDatabase());
  const provider = stack.use(await startProvider());
  const ran: unknown[] = [];
  const toolbox = testToolbox(
    { act: { run: ({ input }) => ({ output: ran.push(input["n"]) }) } },
    [],
  );
  const script = asking(
    { name: "test__act", args: { n: 1 } },
    { name: "test__act", args: { n: 2 } },
  );
  const start = async (extra: typeof options) =>
    stack.use(await startScripted({ provider, script, toolbox, env: db.env, ...extra }));
  const a = await start(options);
  const b = await start({});
  return { a, b, ran, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

async function askedAt(a: Scripted) {
  const chat = await a.chat();
  await (await a.send(chat, "Go")).text();
  return { chat, approvals: await approvalsOf(a) };
}

Deno.test("what A asked is answered at B, where it runs once", async () => {
  await using pair = await startTwo();
  const { a, b, ran } = pair;
  const { chat, approvals: [first, second] } = await askedAt(a);
  assertEquals(await approvalsOf(b), [first!, second!]);
  assertEquals((await answer(b, first!.id, { approved: true })).body.run, null);
  const { body } = await answer(a, second!.id, { approved: true });
  await follow(b, body.run);
  assertEquals(ran.toSorted(), [1, 2]);
  assertEquals(await uiHistory(b, chat), await uiHistory(a, chat));
});

Deno.test("two answers at once, one at A and one at B, are both kept", async () => {
  const reached = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  await using pair = await startTwo({
    stores: (stores) => ({
      ...stores,
      toolCalls: {
        ...stores.toolCalls,
        async answer(...given) {
          reached.resolve();
          await go.promise;
          return await stores.toolCalls.answer(...given);
        },
      },
    }),
  });
  const { a, b, ran } = pair;
  const { chat, approvals: [first, second] } = await askedAt(a);
  const atA = answer(a, first!.id, { approved: true });
  await reached.promise;
  const { status, body } = await answer(b, second!.id, { approved: true });
  assertEquals([status, body.run], [200, null]);
  go.resolve();
  const last = await atA;
  assertEquals(last.status, 200);
  await follow(a, last.body.run);
  assertEquals(ran.toSorted(), [1, 2]);
  const { parts } = (await uiHistory(a, chat)).at(-1)!;
  assertEquals(
    parts.filter(({ type }) => type === "dynamic-tool").map(({ state }) => state),
    ["output-available", "output-available"],
  );
});

Deno.test("a process that stood still for longer than its lease runs no more calls", async () => {
  await using db = await startRemoteDatabase();
  let skipped = 0;
  let runs = 0;
  const act = {
    async run() {
      // Eight run at once; then a machine that sleeps wakes up.
      if (++runs === 8) skipped = 20_000;
      await new Promise((resolve) => setTimeout(resolve, 20));
      return { output: "acted" };
    },
  };
  const calls = Array.from({ length: 20 }, (_, n) => ({ name: "test__act", args: { n } }));
  await using scripted = await startScripted({
    script: asking(...calls),
    toolbox: testToolbox({ act }),
    env: db.env,
    clock: { ...systemClock, now: () => systemClock.now() + skipped },
  });
  await (await scripted.send(await scripted.chat(), "Go")).text();
  assertEquals(runs, 8);
});
