/** P4: pieces put together by number equal the uninterrupted stream, byte for byte. */
import { assert, assertEquals } from "@std/assert";
import fc from "fast-check";
import { startParley, type TestServer } from "../kit/parley.ts";
import { type Gate, gate, startProvider, type Step } from "../kit/provider/provider.ts";
import { MODELS, providerEnv, type Scripted, startScripted } from "../kit/scripted.ts";
import { Frames, joined } from "./frames.ts";
import { countOf, Random, seeded } from "../kit/random.ts";
import { join, readSome } from "./reading.ts";
import { ALL_MODELS, type Model, randomContent } from "./scripts.ts";
import { copyData, Stored } from "./stored.ts";
import { assertSameBytes, Witness } from "./witness.ts";

/** A run that has parts of some kind. */
interface Kind {
  name: string;
  model: Model | "demo";
  steps: Step[];
  /** The parts that must be in it, so that the test does not pass for want of them. */
  codes: string;
  stop?: true;
}

const tool = { id: "call-1", name: "look_up", args: { what: "é😀".repeat(20) }, chunks: 7 };
const source = { url: "https://example.com/a", title: "A" };
const file = { mediaType: "text/plain", data: btoa("a file") };

const KINDS: Kind[] = [
  {
    name: "text, reasoning and a tool call",
    model: MODELS.compatible,
    steps: [{ reasoning: "so" }, { reasoning: " be it" }, { text: "a\n" }, { toolCall: tool }],
    codes: "fg0bc9ed",
  },
  {
    name: "signed and redacted reasoning, a tool call and a source",
    model: MODELS.anthropic,
    steps: [
      { reasoning: "hm" },
      { reasoningSignature: "sig" },
      { redactedReasoning: "data" },
      { text: "é" },
      { source },
      { text: "\u2028" },
      { toolCall: tool },
    ],
    codes: "fgji0hbc9ed",
  },
  {
    name: "a file and a tool call",
    model: MODELS.google,
    steps: [{ reasoning: "hm" }, { text: "a" }, { file }, { toolCall: tool }, { text: "b" }],
    codes: "fg0kbc9ed",
  },
  { name: "a tool's output and all else", model: "demo", steps: [], codes: "fgbc9a0hked" },
  {
    name: "arguments that are no JSON",
    model: MODELS.compatible,
    steps: [{ toolCall: { ...tool, args: '{"what": ' } }],
    codes: "fbc9aed",
  },
  {
    name: "an error in the middle",
    model: MODELS.anthropic,
    steps: [{ text: "one " }, { text: "two" }, { error: { message: "overloaded" } }],
    codes: "f03d",
  },
  { name: "nothing but an error", model: MODELS.compatible, steps: [{ end: true }], codes: "f3d" },
  {
    name: "a stop",
    model: MODELS.google,
    steps: [{ text: "one " }, { text: "two" }, { stall: true }],
    codes: "f0ed",
    stop: true,
  },
];

const ENV = { PARLEY_LIMIT_RETRIES: "0" };

for (const kind of KINDS) {
  Deno.test(`a run with ${kind.name}, cut behind each of its events`, async () => {
    await using provider = await startProvider({ script: { steps: kind.steps } });
    // The demo model answers where there is no other.
    const env = kind.model === "demo" ? {} : providerEnv(provider);
    await using server = await startParley({ env: { ...ENV, ...env } });
    const chat = await server.newChat({ body: { title: "A chat" } });
    const response = await server.send(chat, "everything", { model: kind.model });
    const witness = new Witness(response, () => kind.stop && stopAfter("two"));
    const stopAfter = (text: string) => {
      const said = new TextDecoder().decode(witness.bytes).includes(text);
      if (said) server.ask("POST", `/api/v2/chats/${chat}/stop`, { body: {} }).then(drain);
    };
    assertEquals(await witness.over, "ended");
    const codes = new Set(witness.parts.map(({ code }) => code));
    assertEquals([...codes].sort(), [...kind.codes].sort());

    const frames = await framesOf(server, witness.runId);
    assertSameBytes(witness.bytes, frames.whole);
    const run = witness.runId;
    for (let after = 0; after <= frames.head; after++) {
      for (const by of ["after", "last-event-id"] as const) {
        const rest = await (await join(server, { chat, after, by, run })).bytes();
        assertSameBytes(rest, frames.behind(after), `behind event ${after}`);
      }
    }
  });
}

for (const durability of ["before", "after"]) {
  Deno.test(`a live run that is stored ${durability} it is sent, cut anywhere, over a crash too`, () =>
    seeded(async ({ seed }) => {
      await using scripted = await startScripted({
        env: { ...ENV, PARLEY_DURABILITY: durability },
      });
      const cuts = fc.array(fc.constantFrom("after" as const, "last-event-id" as const), {
        minLength: 1,
        maxLength: 5,
      });
      const run = fc.record({
        seed: fc.nat(),
        model: fc.constantFrom(...ALL_MODELS),
        cuts,
        end: fc.constantFrom("finish" as const, "error" as const, "stop" as const),
      });
      const numRuns = countOf("PARLEY_RESUME_RUNS", 30);
      await fc.assert(fc.asyncProperty(run, (plan) => cutLive(scripted, plan)), { seed, numRuns });
    }));
}

interface Plan {
  seed: number;
  model: Model;
  cuts: ("after" | "last-event-id")[];
  end: "finish" | "error" | "stop";
}

/** A client that is cut off again and again while the run goes on. */
async function cutLive(scripted: Scripted, { seed, model, cuts, end }: Plan): Promise<void> {
  const random = new Random(seed);
  const { server } = scripted;
  const gates = cuts.map(() => gate());
  scripted.provider.script({ steps: gatedSteps(random, model, gates, end) });
  const chat = await scripted.chat();
  let response = await scripted.send(chat, "Hello", { model });
  const run = response.headers.get("parley-run-id")!;
  const whole = new Witness(await join(server, { chat, after: 0, by: "after", run }));
  const crashAt = random.below(cuts.length);
  let got: Uint8Array = new Uint8Array();
  for (const [index, by] of cuts.entries()) {
    const some = await readSome(response, '0:"|"\n', random);
    // What is in the log is at least what was seen of it.
    const frames = await framesOf(server, run);
    const length = got.length + some.length;
    const after = frames.reachedBy(length, random);
    // A frame that came in part is thrown away and comes again.
    got = joined(got, some).subarray(0, frames.endOf(after));
    if (index === crashAt) await goOnAfterCrash(scripted, { chat, run, after, by }, got);
    response = await join(server, { chat, after, by, run });
    gates[index]!.open();
  }
  if (end === "stop") {
    await whole.piece("last");
    await drain(await server.ask("POST", `/api/v2/chats/${chat}/stop`, { body: {} }));
  }
  got = joined(got, await response.bytes());
  assertEquals(await whole.over, "ended");
  const frames = await framesOf(server, run);
  assertSameBytes(got, frames.whole);
  assertSameBytes(whole.bytes, frames.whole);
}

/** The same data folder in another process, as a crash now would leave it. */
async function goOnAfterCrash(
  scripted: Scripted,
  at: { chat: string; run: string; after: number; by: "after" | "last-event-id" },
  got: Uint8Array,
): Promise<void> {
  const dataDir = await Deno.makeTempDir({ prefix: "parley-crash-" });
  copyData(scripted.server.dataDir, dataDir);
  {
    await using next = await startScripted({ dataDir, provider: scripted.provider, env: ENV });
    const rest = await (await join(next.server, at)).bytes();
    const frames = await framesOf(next.server, at.run);
    assertSameBytes(joined(got, rest), frames.whole);
    assert(new TextDecoder().decode(rest).includes("\nd:") || rest[0] === "d".charCodeAt(0));
  }
  await Deno.remove(dataDir, { recursive: true });
}

function gatedSteps(random: Random, model: Model, gates: Gate[], end: Plan["end"]): Step[] {
  const segment = (): Step[] => [
    ...randomContent(random, model, random.between(1, 15)),
    // There is something to read behind each gate, whatever the rest encodes to.
    { text: "|" },
  ];
  const last: Step[] = end === "finish"
    ? []
    : [end === "error" ? { error: { message: "overloaded" } } : { stall: true }];
  return [
    ...segment(),
    ...gates.flatMap((gate): Step[] => [{ wait: gate }, ...segment()]),
    { text: "last" },
    ...last,
  ];
}

Deno.test("twenty clients that join anywhere get the same bytes", () =>
  seeded(async (random) => {
    await using scripted = await startScripted();
    const { server } = scripted;
    const gates = Array.from({ length: 8 }, gate);
    const model = random.pick(ALL_MODELS);
    scripted.provider.script({ steps: gatedSteps(random, model, gates, "finish") });
    const chat = await scripted.chat();
    const first = new Witness(await scripted.send(chat, "Hello", { model }));
    const run = first.runId;
    const clients: { after: number; witness: Witness }[] = [];
    for (let n = 0; n < 20; n++) {
      const known = await framesOf(server, run);
      const after = random.between(0, known.head);
      const by = random.pick(["after", "last-event-id"] as const);
      const response = await join(server, { chat, after, by, run });
      clients.push({ after, witness: new Witness(response) });
      if (n % 2 === 0) gates[n / 2]?.open();
      if (n < 16) await first.piece("|", Math.floor(n / 2) + 1);
    }
    assertEquals(await first.over, "ended");
    const frames = await framesOf(server, run);
    assertSameBytes(first.bytes, frames.whole);
    for (const { after, witness } of clients) {
      assertEquals(await witness.over, "ended");
      assertSameBytes(witness.bytes, frames.behind(after));
    }
  }));

Deno.test("a run that a shutdown ends is whole for who stays and for who comes after", async () => {
  const dataDir = await Deno.makeTempDir({ prefix: "parley-resume-" });
  const steps = [{ text: "one " }, { text: "two" }, { stall: true as const }];
  const first = await startScripted({ dataDir, script: { steps } });
  const chat = await first.chat();
  const witness = new Witness(await first.send(chat, "Hello"));
  await witness.piece("two");
  await first[Symbol.asyncDispose]();
  assertEquals(await witness.over, "ended");
  {
    await using second = await startScripted({ dataDir });
    const frames = await framesOf(second.server, witness.runId);
    assertSameBytes(witness.bytes, frames.whole);
    for (let after = 0; after <= frames.head; after++) {
      const at = { chat, after, by: "after" as const, run: witness.runId };
      assertSameBytes(await (await join(second.server, at)).bytes(), frames.behind(after));
    }
  }
  await Deno.remove(dataDir, { recursive: true });
});

async function framesOf({ dataDir }: TestServer, run: string): Promise<Frames> {
  await using stored = await Stored.open(dataDir);
  return new Frames(await stored.log(run));
}

async function drain(response: Response): Promise<void> {
  await response.body?.cancel();
}
