/** A shared database: a call that keeps a run's lease goes wrong, and the run goes on. */
import { assertEquals } from "@std/assert";
import { FastClock } from "../kit/clock.ts";
import { partsOf, StreamReader, textOf } from "../kit/data_stream.ts";
import { countOf, sampleOf } from "../kit/random.ts";
import { gate, lastUserText } from "../kit/provider/provider.ts";
import { startRemoteDatabase } from "../kit/remote_database.ts";
import { startScripted } from "../kit/scripted.ts";
import { type Fault, MODES, Seams } from "./injected_faults.ts";
import { eventually } from "./injected_kit.ts";
import { within } from "./many_kit.ts";

/** Which of the faults are played: all of them in `deno task proofs`. */
const EVERY = countOf("PARLEY_FAULTS_EVERY", 8);

/** Whatever a process does now and then while it makes a run. */
const METHODS = ["leases.renew", "leases.stopRequests", "leases.isAnyLeft"];

const FAULTS: Fault[] = METHODS.flatMap((method) =>
  // Of the other calls, the second is like the first.
  [1, 2].slice(0, method === "leases.renew" ? 2 : 1).flatMap((call) =>
    MODES.map((mode) => ({ method, call, mode }))
  )
);

Deno.test("a lease outlasts each call that keeps it failing in turn", async () => {
  await using db = await startRemoteDatabase();
  const seams = new Seams();
  let held = gate();
  await using scripted = await startScripted({
    ...seams.overrides,
    env: db.env,
    // As fast as renewals are still sent some time before a lease ends.
    clock: new FastClock(30),
    script: ({ body }) => ({
      steps: lastUserText(body) === "hold"
        ? [{ text: "one " }, { wait: held }, { text: "two" }]
        : [{ text: "ok" }],
    }),
  });
  const failures: string[] = [];
  for (const fault of sampleOf(FAULTS, EVERY)) {
    const { method, call, mode } = fault;
    held = gate();
    try {
      const chat = await scripted.chat();
      const reader = new StreamReader(await scripted.send(chat, "hold"));
      await reader.until("one ");
      seams.watch(fault);
      await eventually(`calls of ${method} behind the fault`, () => {
        // A renewal is due three times in the time of a lease.
        assertEquals((seams.calls.get(method) ?? 0) > call, true);
        return Promise.resolve();
      });
      held.open();
      const text = textOf(partsOf(await within(10_000, "the stream", reader.rest())));
      assertEquals(text, "one two");
      const next = await scripted.send(chat, "next");
      assertEquals(textOf(partsOf(await next.text())), "ok");
    } catch (error) {
      failures.push(`${mode} at call ${call} of ${method}: ${error}`);
    } finally {
      seams.disarm();
      held.open();
    }
  }
  assertEquals(failures, []);
});

/** What B asks and does to stop a run of A. */
const STOPPING: Fault[] = ["leases.requestStop", "runs.current", "runs.find", "queue.hold"].flatMap(
  (method) => MODES.map((mode) => ({ method, call: 1, mode })),
);

Deno.test("a stop at B of a run of A works after each call of it has failed in turn", async () => {
  await using db = await startRemoteDatabase();
  const seams = new Seams();
  const script = { steps: [{ text: "one " }, { stall: true as const }] };
  const clock = new FastClock(30);
  await using a = await startScripted({ env: db.env, clock, script });
  const { provider } = a;
  await using b = await startScripted({ ...seams.overrides, env: db.env, clock, provider });
  const failures: string[] = [];
  for (const fault of sampleOf(STOPPING, EVERY)) {
    const { method, call, mode } = fault;
    try {
      const chat = await a.chat();
      const reader = new StreamReader(await a.send(chat, "Hello"));
      await reader.until("one ");
      const stop = async () => {
        const asked = b.server.ask("POST", `/api/v2/chats/${chat}/stop`);
        const response = await within(10_000, "the stop", asked);
        return { status: response.status, body: await response.text() };
      };
      seams.watch(fault);
      await stop();
      assertEquals(seams.struck, true, "the call did not come");
      seams.disarm();
      const again = await stop();
      assertEquals(again.status, 200, again.body);
      assertEquals(textOf(partsOf(await within(10_000, "the stream", reader.rest()))), "one ");
      const [run] = db.rows("SELECT state FROM runs WHERE chat_id = ?", chat);
      assertEquals(run!.state, "stopped");
    } catch (error) {
      failures.push(`${mode} at call ${call} of ${method}: ${error}`);
    } finally {
      seams.disarm();
    }
  }
  assertEquals(failures, []);
});
