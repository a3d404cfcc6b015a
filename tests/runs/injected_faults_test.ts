/**
 * P12 and P9: one call to a store, a model or the feed goes wrong, whichever it is. Afterwards every
 * stream has ended, nothing is left live, and the chat is answered.
 */
import { assertEquals } from "@std/assert";
import { type Fault, type Mode, MODES } from "./injected_faults.ts";
import { Bench, type Scenario } from "./injected_kit.ts";
import { SCENARIOS } from "./injected_scenarios.ts";
import { countOf, pass, sampleOf } from "../kit/random.ts";
import { inParallel } from "./many_kit.ts";

/** How many servers play at once: most faults are waited for. */
const WIDTH = 6;

/** What the scenarios call between them: a method that is missing here is tested by nobody. */
const METHODS = [
  ...["attempts.close", "attempts.open", "call.stream", "chats.delete", "chats.get"],
  ...["chats.nameOnce", "disk.durable", "events.append", "events.read", "feed.publish"],
  ...["files.add", "files.find", "files.read", "keys.keep", "messages.outline"],
  ...["messages.read", "messages.siblings", "queue.add", "queue.find"],
  ...["queue.hold", "queue.isHeld", "queue.list", "queue.next", "queue.remove", "runs.begin"],
  ...["runs.current", "runs.find", "runs.view", "toolCalls.answer"],
  ...["toolCalls.begin", "toolCalls.find", "toolCalls.ofRun", "toolCalls.remembered"],
  "toolCalls.waiting",
];

/** Methods that change nothing: there is nothing to lose the answer of. */
const READING =
  /\.(get|find|read|list|next|isHeld|current|outline|view|siblings|remembered|waiting|ofRun)$/;

/** The first calls of every send: a failure there is the same in each scenario, so that one has it. */
const COMMON = new Set(["chats.get", "runs.current", "runs.view"]);

interface Cell {
  scenario: Scenario;
  fault: Fault;
}

function modesOf(method: string): readonly Mode[] {
  // It gives nothing that could reject.
  if (method === "feed.publish") return ["throw"];
  return READING.test(method) ? MODES.filter((mode) => mode !== "lose") : [...MODES, "late"];
}

function cellsOf(scenario: Scenario, calls: ReadonlyMap<string, number>): Cell[] {
  const isNew = (method: string, call: number) =>
    call > 1 || scenario === SCENARIOS[0] || !COMMON.has(method);
  return [...calls].flatMap(([method, count]) =>
    [1, 2].filter((call) => call <= count && isNew(method, call)).flatMap((call) =>
      modesOf(method).map((mode) => ({ scenario, fault: { method, call, mode } }))
    )
  );
}

// Deno lets the reason go uncaught for which a request is aborted while its body is written. The program
// logs it (observe/runtime.ts); a test would end.
globalThis.addEventListener("unhandledrejection", (event) => {
  const { message } = event.reason ?? {};
  if (/^injected|^The database does not answer/.test(message)) event.preventDefault();
});

Deno.test("each call behind what clients do fails in turn, and the chat is answered", async () => {
  const benches = await Promise.all(Array.from({ length: WIDTH }, () => Bench.start()));
  const cells: Cell[] = [];
  const met = new Set<string>();
  for (const scenario of SCENARIOS) {
    // Without a fault: whatever is called here fails in one of the cells.
    const calls = await benches[0]!.play(scenario);
    cells.push(...cellsOf(scenario, calls));
    for (const method of calls.keys()) met.add(method);
  }
  assertEquals([...met].sort(), METHODS);
  const failures: string[] = [];
  // All of them take long: `deno task proofs` plays them.
  const played = sampleOf(cells, countOf("PARLEY_FAULTS_EVERY", 8));
  await inParallel(played.length, WIDTH, async (index) => {
    const { scenario, fault } = played[index]!;
    const bench = benches.pop()!;
    // The clock is a hundred times as fast, so a busy machine alone can be too slow for a cell.
    const again = async () => {
      await pass(1_000);
      await bench.play(scenario, fault);
    };
    await bench.play(scenario, fault).catch(again).catch(again).catch(({ message }) => {
      const where = `${fault.mode} at call ${fault.call} of ${fault.method}`;
      failures.push(`${scenario.name}: ${where}: ${message}`);
    });
    benches.push(bench);
  });
  for (const bench of benches) {
    await bench[Symbol.asyncDispose]().catch(({ message }) => failures.push(message));
  }
  assertEquals(failures, []);
});
