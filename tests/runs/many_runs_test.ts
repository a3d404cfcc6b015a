/** P7: the ledger adds up to what the provider counted, whatever became of each request. */
import { assert, assertEquals, assertGreaterOrEqual, assertLessOrEqual } from "@std/assert";
import { systemClock } from "../../src/domain/clock.ts";
import { StreamReader } from "../kit/data_stream.ts";
import {
  lastUserText,
  type ScriptedProvider,
  startProvider,
  type Usage,
} from "../kit/provider/provider.ts";
import { MODELS, type Scripted, startScripted } from "../kit/scripted.ts";
import { type Asked, CLASSES, Plan } from "./many_faults.ts";
import { HastyClock, inParallel, markOf, rowsOf, within } from "./many_kit.ts";
import { countOf, Random, seedOf } from "../kit/random.ts";

const RUNS = countOf("PARLEY_RUNS", 100);
const CHATS = 12;

/** A row of the ledger. */
interface Row {
  run_id: string | null;
  chat_id: string;
  kind: string;
  model: string;
  outcome: string;
  failure_class: string | null;
  first_token_ms: number | null;
  ended_at: number | null;
  input_tokens: number;
  output_tokens: number;
  cached_tokens: number;
  reasoning_tokens: number;
  estimated: number;
}

const tokensOf = (row: Row) => ({
  input: row.input_tokens,
  output: row.output_tokens,
  cached: row.cached_tokens,
  reasoning: row.reasoning_tokens,
});

const NONE: Required<Usage> = { input: 0, output: 0, cached: 0, reasoning: 0 };

/** What the ledger must say of a request that was answered to the end. */
function assertCounted(row: Row, { kind, request, usage }: Asked): void {
  // A cut behind the reason to end changes nothing but the count.
  if (kind === "cut") return assertEquals(request.outcome, "cut");
  assert(kind === "whole" || kind === "uncounted", `a request met ${kind} and was completed`);
  assertEquals(request.outcome, "complete");
  const told = kind === "whole" ? usage : undefined;
  assertEquals(row.estimated, told ? 0 : 1);
  if (told) assertEquals(tokensOf(row), told);
  else assert(row.input_tokens > 0 && row.output_tokens > 0);
}

/**
 * What the ledger must say of a run, or of a title: one row a request, in their order. Gives the row
 * of a request that was stopped before it went out, since each row is opened first.
 */
function assertLedger(plan: Plan, rows: Row[], state: string): Row[] {
  const { asked, options } = plan;
  const last = rows.at(-1)!;
  const mayBeUnsent = options.stopped && last.outcome === "stopped" && last.first_token_ms === null;
  const unsent = mayBeUnsent && rows.length === asked.length + 1 ? [last] : [];
  assertEquals(rows.length - unsent.length, asked.length);
  rows.forEach((row, index) => {
    const one = asked[index];
    if (row !== last) assertEquals([row.outcome, row.first_token_ms], ["failed", null]);
    if (one) assertEquals(row.model, one.request.model);
    assert(row.ended_at !== null);
    if (row.outcome === "completed") return assertCounted(row, one!);
    assertEquals(row.estimated, 1);
    if (row.first_token_ms === null) assertEquals(tokensOf(row), NONE);
    if (row.outcome !== "failed") {
      return assertEquals([row.outcome, row.failure_class], ["stopped", null]);
    }
    assert(
      CLASSES[one!.kind]?.includes(row.failure_class!),
      `${one!.kind} is ${row.failure_class}`,
    );
  });
  // A run that is stopped between two tries ends with one that has failed.
  const between = state === "stopped" && last.outcome === "failed" && last.first_token_ms === null;
  if (!between) assertEquals(last.outcome, state);
  if (state === "stopped") assert(options.stopped || asked.at(-1)?.kind === "stall");
  return unsent;
}

/** What the database says at the end. */
interface Stored {
  attempts: Row[];
  unsent: Row[];
  /** Those whose answers were cut off. */
  cut: ReadonlySet<Row>;
  states: ReadonlyMap<unknown, string>;
}

/** Sends a message and stops its run where the plan says so. */
async function makeRun(scripted: Scripted, plan: Plan, mark: string): Promise<void> {
  const { random, chat, options: { thinking, stopped } } = plan;
  const model = random.pick(Object.values(MODELS));
  const response = await scripted.send(chat, `Hello ${mark}`, { model, thinking });
  assertEquals(response.status, 200);
  plan.run = response.headers.get("parley-run-id")!;
  const ended = response.text();
  const stop = async () => {
    await (await scripted.server.ask("POST", `/api/v2/chats/${chat}/stop`)).body?.cancel();
  };
  plan.standstill.reached.then(stop);
  if (stopped) {
    await plan.arrived;
    await systemClock.sleep(random.below(8));
    await stop();
  }
  await ended;
}

Deno.test(`the ledger of ${RUNS} runs`, async () => {
  const random = new Random(seedOf());
  const runs = new Map<string, Plan>();
  const titles = new Map<string, Plan>();
  const newPlan = (chat: string, options: Plan["options"]) =>
    new Plan(chat, new Random(random.below(2 ** 31)), options);
  await using provider = await startProvider({
    script: (request) => {
      const isTitle = JSON.stringify(request.body).includes("Write a title");
      const mark = markOf(lastUserText(request.body));
      return (isTitle ? titles : runs).get(mark)!.answer(request);
    },
  });
  await using scripted = await startScripted({
    provider,
    clock: new HastyClock(),
    env: {
      PARLEY_FALLBACKS: `${MODELS.compatible}=${MODELS.google}`,
      PARLEY_LIMIT_RUNS_PER_USER: "1000",
    },
  });
  const { server } = scripted;
  const watch = new StreamReader(await server.ask("GET", "/api/v2/chats/watch"));

  // A title that stalls is given up at shutdown; the others come to their end.
  const untilNamed = async ({ chat, arrived, asked }: Plan) => {
    await arrived;
    if (asked[0]?.kind !== "stall") await watch.until(`chat.renamed\ndata: {"id":"${chat}"`);
  };
  let named = Promise.resolve();
  const chats: string[] = [];
  const free = Array.from({ length: CHATS }, (_, index) => index);
  await inParallel(RUNS, CHATS, async (index) => {
    const at = free.pop()!;
    const mark = `#${index}`;
    const untitled = random.below(8) === 0;
    if (chats[at] === undefined || untitled || random.below(10) === 0) {
      chats[at] = untitled ? await server.newChat() : await scripted.chat();
      if (untitled) titles.set(mark, newPlan(chats[at], { thinking: false, stopped: false }));
    }
    const plan = newPlan(chats[at], {
      thinking: random.below(4) === 0,
      stopped: random.below(8) === 0,
    });
    runs.set(mark, plan);
    const what = `seed ${random.seed}, ${mark}`;
    await within(30_000, what, makeRun(scripted, plan, mark)).catch((error) => {
      throw new Error(what, { cause: error });
    });
    const title = titles.get(mark);
    if (title) named = named.then(() => untilNamed(title));
    free.push(at);
  });
  await within(10_000, `seed ${random.seed}: titles`, named);
  await watch.leave();
  await server.stop();

  try {
    await assertAll([...runs.values()], [...titles.values()], provider, server.dataDir);
  } catch (error) {
    throw new Error(`seed ${random.seed}`, { cause: error });
  }
});

async function assertAll(
  runs: Plan[],
  titles: Plan[],
  { usage }: ScriptedProvider,
  dataDir: string,
): Promise<void> {
  const attempts = await rowsOf(
    dataDir,
    "SELECT * FROM attempts ORDER BY rowid",
  ) as unknown as Row[];
  const states = new Map(
    (await rowsOf(dataDir, "SELECT id, state FROM runs")).map((
      { id, state },
    ) => [id, String(state)]),
  );
  assertEquals(attempts.filter(({ outcome }) => outcome === "open"), []);
  const unsent: Row[] = [];
  const cut = new Set<Row>();
  const byRun = Map.groupBy(attempts, ({ run_id }) => run_id);
  for (const plan of runs) {
    const rows = byRun.get(plan.run) ?? [];
    assertEquals(rows.map(({ kind }) => kind), ["answer", ...rows.slice(1).map(() => "retry")]);
    unsent.push(...assertLedger(plan, rows, states.get(plan.run)!));
    // What a cut answer told of its tokens, the provider does not count as told.
    rows.forEach((row, at) => plan.asked[at]?.kind === "cut" && cut.add(row));
  }
  const ofTitles = byRun.get(null) ?? [];
  assertEquals([byRun.size, ofTitles.length], [runs.length + 1, titles.length]);
  for (const plan of titles) {
    const rows = ofTitles.filter(({ chat_id }) => chat_id === plan.chat);
    assertEquals(rows.map(({ kind }) => kind), ["title"]);
    if (plan.asked[0]?.kind === "cut") cut.add(rows[0]!);
    assertLedger(plan, rows, rows[0]!.outcome);
  }

  assertSums([...runs, ...titles], { attempts, unsent, cut, states }, usage);
}

/** Fails unless the sums of each model are what the provider told in the answers that arrived. */
function assertSums(
  plans: Plan[],
  { attempts, unsent, cut, states }: Stored,
  usage: ScriptedProvider["usage"],
): void {
  const told = plans.flatMap(({ run, asked }) =>
    asked.filter(({ kind }) => kind === "whole")
      .map((one) => ({ ...one, stopped: states.get(run) === "stopped" }))
  );
  for (const [model, totals] of Object.entries(usage)) {
    const own = attempts.filter((row) => row.model === model);
    const counted = sum(own.filter((row) => !row.estimated && !cut.has(row)).map(tokensOf));
    const here = told.filter(({ request }) => request.model === model);
    const [taken, late] = [false, true].map((stopped) =>
      sum(here.filter((one) => one.stopped === stopped).map(({ usage }) => usage))
    );
    assertEquals(counted, taken);
    // A stop may overtake an answer that the provider has told to the end.
    assertLessOrEqual(totals.output - counted.output, late!.output);
    assertGreaterOrEqual(totals.output, counted.output);
    assertEquals(own.length - unsent.filter((row) => row.model === model).length, totals.requests);
  }
}

function sum(usages: Required<Usage>[]): Required<Usage> {
  return usages.reduce((a, b) => ({
    input: a.input + b.input,
    output: a.output + b.output,
    cached: a.cached + b.cached,
    reasoning: a.reasoning + b.reasoning,
  }), NONE);
}
