/**
 * Runs a command beside a Parley with a scripted model, which the command finds by the environment:
 *
 *     deno run -A --config ../../../deno.json scripted.ts npm test
 *
 * The last text of the user chooses what the model says, to itself and to the results of tools behind it.
 */
import { spawnParley } from "../../kit/process.ts";
import { providerEnv } from "../../kit/scripted.ts";
import {
  type Gate,
  gate,
  lastUserText,
  type Script,
  startProvider,
  type Step,
} from "../../kit/provider/provider.ts";

const TOKEN = "scripted-client-secret";

const WHERE = { toolCall: { id: "call-where", name: "where", args: { exact: true }, chunks: 3 } };
const WHEN = { toolCall: { id: "call-when", name: "when", args: {}, chunks: 1 } };
const BROKEN = { toolCall: { ...WHERE.toolCall, args: '{"exact": tr' } };

/** What is said to a text, then to each round of tool results. */
const ANSWERS: Record<string, Step[][]> = {
  "break off": [[{ text: "Half " }, { text: "of it" }, { cut: true }]],
  "fail": [[{ text: "Half " }, { text: "of it" }, { error: { message: "out of order" } }]],
  "where": [[WHERE]],
  "say where": [[{ text: "Let me see." }, WHERE]],
  "where and when": [[WHERE, WHEN]],
  "where, then when": [[WHERE], [{ text: "And when?" }, WHEN]],
  "where, badly": [[BROKEN]],
};

/** What answers are held by: a name each. */
const gates = new Map<string, Gate>();

function gateOf(name: string): Gate {
  const known = gates.get(name) ?? gate();
  gates.set(name, known);
  return known;
}

function scriptFor(body: Record<string, unknown>): Script {
  const messages = body["messages"] as { role: string; content: string }[];
  const asked = lastUserText(body);
  const said = messages.slice(messages.findLastIndex(({ role }) => role === "user") + 1);
  const round = said.filter(({ role }) => role === "assistant").length;
  const [, hold, name = ""] = /^(hold|where, hold|release) (.+)$/.exec(asked) ?? [];
  if (hold === "release") gateOf(name).open();
  if (hold === "hold" || (hold === "where, hold" && round > 0)) return { steps: held(name) };
  if (hold === "where, hold") return { steps: [WHERE] };
  return { steps: ANSWERS[asked]?.[round] ?? plain(messages, said) };
}

/** Half an answer; the other half comes with the text "release NAME". */
function held(name: string): Step[] {
  return [
    { reasoning: "One half " },
    { reasoning: "first." },
    { text: "One " },
    { text: "half" },
    { wait: gateOf(name) },
    { text: " and " },
    { text: "the other." },
  ];
}

function plain(messages: { role: string }[], said: { role: string; content: string }[]): Step[] {
  const results = said.filter(({ role }) => role === "tool").map(({ content }) => content);
  const turn = messages.filter(({ role }) => role === "user").length;
  const words = results.length > 0 ? ["Results:", ...results] : ["Turn", String(turn)];
  return words.map((word, index) => ({ text: index === 0 ? word : ` ${word}` }));
}

const [program = "npm", ...args] = Deno.args;
await using provider = await startProvider({
  script: ({ body }) => scriptFor(body),
  record: false,
});
await using parley = await spawnParley({
  env: {
    ...providerEnv(provider),
    PARLEY_TOKENS: `scripted=${TOKEN}`,
    PARLEY_DEFAULT_MODEL: "scripted",
  },
});
const { code } = await new Deno.Command(program, {
  args,
  env: { PARLEY_SCRIPTED_URL: parley.url, PARLEY_SCRIPTED_TOKEN: TOKEN },
}).spawn().status;
Deno.exitCode = code;
