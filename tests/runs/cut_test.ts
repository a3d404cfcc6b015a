/** P12: wherever a provider's stream breaks off, the run ends, is called by its name and keeps its text. */
import { assert, assertEquals } from "@std/assert";
import { RunError } from "../../src/domain/errors.ts";
import { sdkClient } from "../../src/models/client.ts";
import type { ModelCall } from "../../src/models/call.ts";
import type { CatalogModel } from "../../src/models/catalog.ts";
import { plainModelCall } from "../kit/model_call.ts";
import { partsOf, textOf } from "../kit/data_stream.ts";
import {
  lastUserText,
  type Script,
  type ScriptedProvider,
  startProvider,
  type Step,
} from "../kit/provider/provider.ts";
import { callOf, modelOf, type Package } from "../kit/provider/sdk.ts";
import { MODELS, type Scripted, startScripted } from "../kit/scripted.ts";
import {
  Ends,
  firstBytes,
  inParallel,
  markOf,
  type Recorded,
  recorded,
  within,
} from "./many_kit.ts";
import { countOf } from "../kit/random.ts";

/** Each byte, or each so-maniest one. */
const CUT_EVERY = countOf("PARLEY_CUT_EVERY", 23);
const END_EVERY = countOf("PARLEY_END_EVERY", 101);

/** How many runs are cut at once. */
const WIDTH = 8;

/** How long a run that was cut may take to end: long for any machine, short for a hang. */
const PATIENCE = 20_000;

const STEPS: Step[] = [
  { reasoning: "Hm, " },
  { text: "Wörds " },
  { text: "🎈." },
  { toolCall: { id: "call", name: "look", args: { at: "wörds" }, chunks: 2 } },
  { finish: "tool-calls", usage: { input: 10, output: 20, reasoning: 5 } },
];
const TEXT = "Wörds 🎈.";
const THOUGHT = "Hm, ";
const USAGE = {
  inputTokens: 10,
  outputTokens: 20,
  cachedTokens: 0,
  reasoningTokens: 5,
  estimated: false,
};

/** What a failure inside an answer is to be called. */
const FAILURES = {
  400: "provider_refused",
  401: "provider_auth",
  429: "provider_rate_limited",
  503: "provider_unavailable",
};

/** What shows in each dialect that an answer has come to its end. */
const FINISH =
  /"finish_reason":"tool_calls"|"stop_reason":"tool_use"|"finishReason":"STOP"|"type":"response.completed"/;

/** Where the JSON of the frame with the finish is whole. */
function finishAt({ bytes }: Recorded): number {
  const text = new TextDecoder("latin1").decode(bytes);
  return text.indexOf(
    "}",
    text.slice(text.search(FINISH)).search(/\}\r?\n/) + text.search(FINISH),
  ) + 1;
}

/** What a client, or a caller, got of a run. */
interface Ended {
  state: string;
  failure: string | undefined;
  text: string;
  thought: string;
}

/** Fails unless that is a good end for an answer of which only so many bytes came. */
function assertEnd(ended: Ended, length: number, answer: Recorded): void {
  assert(TEXT.startsWith(ended.text), ended.text);
  assert(THOUGHT.startsWith(ended.thought), ended.thought);
  if (ended.state === "completed") {
    assert(length >= finishAt(answer), "it is completed, and its finish never came");
    assertEquals([ended.text, ended.thought], [TEXT, THOUGHT]);
    return;
  }
  assertEquals(ended.state, "failed");
  // Half an event before the end of a body is no event.
  assert(["provider_cut", "provider_malformed"].includes(ended.failure!), ended.failure);
}

/** Plays the answer as far as `length` and then closes the socket, or ends the body as if it were all. */
type Break = (answer: Recorded, length: number) => Script;
const BREAKS: [name: string, every: number, make: Break][] = [
  ["cut", CUT_EVERY, (_, length) => ({ steps: STEPS, cutAtByte: length })],
  [
    "ended",
    END_EVERY,
    (answer, length) => ({ steps: [...firstBytes(answer, length), { end: true }] }),
  ],
];

/** Asks for an answer, by the words by which the provider finds what to do. */
type Ask = (words: string, worker: number) => Promise<Ended>;

/** Breaks answers at each byte of them. */
async function breakEverywhere(
  provider: ScriptedProvider,
  [name, every, make]: (typeof BREAKS)[number],
  ask: Ask,
): Promise<void> {
  let answer: Recorded | undefined;
  provider.script((request) => {
    answer ??= recorded(STEPS, request);
    return make(answer, Number(markOf(lastUserText(request.body)).slice(1)));
  });
  await ask("#0", 0);
  const { length } = answer!.bytes;
  const free = Array.from({ length: WIDTH }, (_, worker) => worker);
  await inParallel(Math.ceil((length + 1) / every), WIDTH, async (index) => {
    const at = index * every;
    const worker = free.pop()!;
    const what = `${name} at byte ${at} of ${length}`;
    try {
      assertEnd(await within(PATIENCE, what, ask(`#${at}`, worker)), at, answer!);
    } catch (error) {
      throw new Error(what, { cause: error });
    }
    free.push(worker);
  });
}

/** Lets the provider fail inside its answer, before each step and with each kind of failure. */
async function failEverywhere(provider: ScriptedProvider, kind: Package, ask: Ask): Promise<void> {
  for (const [status, expected] of Object.entries(FAILURES)) {
    for (let step = 0; step < STEPS.length; step++) {
      const error = { message: "It broke", status: Number(status) };
      provider.script({ steps: [...STEPS.slice(0, step), { error }] });
      const what = `${status} before step ${step}`;
      const { state, failure, text } = await within(PATIENCE, what, ask("Hello", 0));
      const said = STEPS.slice(0, step).map((one) => "text" in one ? one.text : "").join("");
      assertEquals([state, text], ["failed", said], what);
      // The Responses API has no code for every failure.
      const vague = kind === "openai" && status === "400";
      if (!vague) assertEquals(failure, expected, what);
      else assert(["provider_refused", "provider_unavailable"].includes(failure!), failure);
    }
  }
}

/** Asks over HTTP: the answer is the same in the stream and in the history. */
async function askServer(scripted: Scripted, model: string): Promise<Ask> {
  const chats = await Promise.all(Array.from({ length: WIDTH }, () => scripted.chat()));
  const ends = new Ends(scripted.server);
  return async (words, worker) => {
    const chat = chats[worker]!;
    // The same id: each message takes the place of the one before.
    const message = { id: "m", role: "user", content: words };
    const response = await scripted.send(chat, "", { message, model });
    assertEquals(response.status, 200);
    const seen = partsOf(await response.text());
    assertEquals(seen.at(-1)?.code, "d");
    const text = textOf(seen);
    const thought = seen.filter(({ code }) => code === "g").map(({ value }) => value).join("");
    const [asked, answer, ...more] = await scripted.history(chat);
    assertEquals([asked?.content, more], [words, []]);
    assertEquals(answer?.content ?? "", text);
    const kept = answer?.parts.map((part) => part["reasoning"] ?? "").join("") ?? "";
    assertEquals(kept, thought);
    const { state, failure } = ends.of(response.headers.get("parley-run-id")!);
    return { state, failure, text, thought };
  };
}

for (const [kind, model] of Object.entries(MODELS) as [keyof typeof MODELS, string][]) {
  Deno.test(`an answer in the words of ${kind}`, async (t) => {
    await using scripted = await startScripted({ env: { PARLEY_LIMIT_RETRIES: "0" } });
    const { provider } = scripted;
    const ask = await askServer(scripted, model);
    for (const one of BREAKS) {
      await t.step(`is ${one[0]} at each byte`, () => breakEverywhere(provider, one, ask));
    }
    await t.step("fails before each step", () => failEverywhere(provider, kind, ask));
    await t.step("comes whole", async () => {
      provider.script({ steps: STEPS });
      const whole = await ask("Hello", 0);
      assertEquals(whole, { state: "completed", failure: undefined, text: TEXT, thought: THOUGHT });
    });
  });
}

/** Asks a model without a server: Parley speaks the Responses API to OpenAI's own address alone. */
function askModel(call: ModelCall, client: CatalogModel["client"]): Ask {
  const model: CatalogModel = {
    id: "scripted",
    modelId: "scripted",
    displayName: "Scripted",
    provider: "openai",
    type: "openai",
    client,
  };
  return async (words) => {
    const ended: Ended = { state: "completed", failure: undefined, text: "", thought: "" };
    const step = { model, prompt: callOf(words).prompt, promptCharacters: 0, thinking: false };
    try {
      const { usage } = await call.stream(step, new AbortController().signal, (event) => {
        if (event.type === "text-delta") ended.text += event.text;
        if (event.type === "reasoning-delta") ended.thought += event.text;
      });
      assertEquals(usage, USAGE);
      return ended;
    } catch (error) {
      if (!(error instanceof RunError)) throw error;
      return { ...ended, state: "failed", failure: error.failure.class };
    }
  };
}

Deno.test("an answer in the words of the Responses API", async (t) => {
  await using provider = await startProvider();
  const call = plainModelCall(120_000);
  const client = sdkClient(modelOf("openai", provider));
  const ask = askModel(call, () => Promise.resolve(client));
  for (const one of BREAKS) {
    await t.step(`is ${one[0]} at each byte`, () => breakEverywhere(provider, one, ask));
  }
  await t.step("fails before each step", () => failEverywhere(provider, "openai", ask));
  await t.step("comes whole", async () => {
    provider.script({ steps: STEPS });
    const whole = await ask("Hello", 0);
    assertEquals(whole, { state: "completed", failure: undefined, text: TEXT, thought: THOUGHT });
  });
});
