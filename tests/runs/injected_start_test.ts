/**
 * P3: a process was killed in the middle of an answer, and one call of the next start goes wrong. The
 * start fails, and the one after it does not; or it succeeds. Nothing that was said is lost either way.
 */
import { assertEquals } from "@std/assert";
import { copyData } from "../durability/stored.ts";
import { FastClock } from "../kit/clock.ts";
import { partsOf, StreamReader, textOf } from "../kit/data_stream.ts";
import { gate, type ScriptedProvider, startProvider } from "../kit/provider/provider.ts";
import { MODELS, type Scripted, startScripted } from "../kit/scripted.ts";
import { type Fault, MODES, Seams } from "./injected_faults.ts";
import { eventually } from "./injected_kit.ts";
import { countOf, sampleOf } from "../kit/random.ts";
import { inParallel, rowsOf, within } from "./many_kit.ts";

const WIDTH = 4;

/** Calls after the start is done, or that say nothing of it. */
const OTHERS = /^(chats|call|feed)\./;

/** A folder as a kill leaves it: an answer of which "one " was told, and a message that waits. */
async function killed(provider: ScriptedProvider): Promise<{ dir: string; chat: string }> {
  const dir = await Deno.makeTempDir({ prefix: "parley-killed-" });
  provider.script({ steps: [{ text: "one " }, { wait: gate() }] });
  await using scripted = await startScripted({ provider });
  const chat = await scripted.chat();
  const reader = new StreamReader(await send(scripted, chat, "Hello"));
  await reader.until("one ");
  await (await send(scripted, chat, "next", { busy: "queue" })).body?.cancel();
  copyData(scripted.server.dataDir, dir);
  await reader.leave();
  provider.script({ steps: [{ text: "two" }] });
  return { dir, chat };
}

function send(scripted: Scripted, chat: string, text: string, extra = {}): Promise<Response> {
  return scripted.send(chat, text, { model: MODELS.anthropic, ...extra });
}

for (const policy of ["mark", "continue"] as const) {
  Deno.test(`each call of a start after a kill fails in turn (${policy})`, async () => {
    await using provider = await startProvider();
    const { dir, chat } = await killed(provider);
    const start = async (seams: Seams, dataDir: string) =>
      await startScripted({
        ...seams.overrides,
        provider,
        dataDir,
        clock: new FastClock(100),
        env: { PARLEY_ON_INTERRUPT: policy },
      });

    /** What the start calls, and whether all is well in the end. */
    const play = async (fault?: Fault): Promise<Map<string, number>> => {
      const dataDir = await Deno.makeTempDir({ prefix: "parley-restart-" });
      copyData(dir, dataDir);
      const seams = new Seams();
      seams.watch(fault);
      let calls: Map<string, number>;
      try {
        const first = await within(10_000, "the start", start(seams, dataDir)).catch((error) => {
          if (/nothing came/.test(String(error))) throw error;
        });
        calls = new Map(seams.calls);
        seams.disarm();
        const scripted = first ?? await start(seams, dataDir);
        try {
          await isWell(scripted, chat);
        } finally {
          await within(10_000, "the end", scripted.server.stop());
        }
      } finally {
        await Deno.remove(dataDir, { recursive: true });
      }
      return calls;
    };

    const calls = [...await play()].filter(([method]) => !OTHERS.test(method));
    const all = calls.flatMap(([method, count]) =>
      [1, 2].filter((call) => call <= count).flatMap((call) =>
        MODES.map((mode) => ({ method, call, mode }))
      )
    );
    const faults = sampleOf(all, countOf("PARLEY_FAULTS_EVERY", 8));
    const failures: string[] = [];
    await inParallel(faults.length, WIDTH, async (index) => {
      const fault = faults[index]!;
      await play(fault).catch(({ message }) =>
        failures.push(`${fault.mode} at call ${fault.call} of ${fault.method}: ${message}`)
      );
    });
    await Deno.remove(dir, { recursive: true });
    assertEquals(failures, []);
  });
}

async function isWell(scripted: Scripted, chat: string): Promise<void> {
  await eventually("nothing is left live, nor open, nor waiting", async () => {
    const [row] = await rowsOf(
      scripted.server.dataDir,
      `SELECT (SELECT count(*) FROM runs WHERE state = 'running') AS runs,
        (SELECT count(*) FROM attempts WHERE outcome = 'open') AS attempts,
        (SELECT count(*) FROM queue) AS queue`,
    );
    assertEquals([row!.runs, row!.attempts, row!.queue], [0, 0, 0]);
  });
  await eventually("the next send is answered", async () => {
    const response = await send(scripted, chat, "and now?");
    const body = await response.text();
    assertEquals([response.status, textOf(partsOf(body))], [200, "two"]);
  });
  const answers = (await scripted.history(chat)).filter(({ role }) => role === "assistant");
  const isContinued = answers[0]?.content === "one two";
  const said = JSON.stringify(answers.slice(0, 2).map(({ content }) => content));
  const expected = JSON.stringify([isContinued ? "one two" : "one ", "two"]);
  if (said !== expected) throw new Error(`${expected} was said, and ${said} is kept`);
}
