/** Plays a case: a provider that does what the case says, a client of either protocol, and what is seen. */
import { partsOf } from "../kit/data_stream.ts";
import { startParley, type TestServer } from "../kit/parley.ts";
import { chat, claude, gemini, stream } from "./dialects.ts";
import { CaseServer, type Reply, type Seen } from "./server.ts";

/** A message of the client, and what it does then. */
export interface Turn {
  text?: string;
  parts?: unknown[];
  tools?: boolean;
  thinking?: boolean;
  /** Results for the calls of the last answer: `{"*": value}` for all. */
  back?: Record<string, unknown>;
  /** Seconds after which the client stops the answer, or deletes the chat. */
  stop_after?: number;
  delete_after?: number;
  other_model?: string;
  other_provider?: string;
}

/** One form of a case. */
export interface Variant {
  name?: string;
  /** True for the protocol of AI SDK 5 and later. */
  ui?: boolean;
  turns: Turn[];
  replies?: Reply[];
  title_replies?: Reply[];
  rules?: { unless_header: string; reply: Reply }[];
  env?: Record<string, string>;
  text?: string;
  reasoning?: string;
  calls?: [name: string, input: unknown][];
  title?: string;
  says?: string;
  must_not_say?: string[];
}

/** One public bug report, as input. */
export interface Case {
  name: string;
  happens: string;
  right: string;
  provider: string;
  env?: Record<string, string>;
  variants: Variant[];
}

/** What a client saw of an answer. */
export interface Told {
  text: string;
  reasoning: string;
  calls: [name: string, input: unknown][];
  errors: string[];
  finish: string | undefined;
  /** Milliseconds from the request to the end of the stream. */
  took: number;
}

/** What was seen of all. */
export interface Played {
  told: Told[];
  /** The provider's requests for answers, in order; those for titles. */
  asked: Seen[];
  titles: Seen[];
  // deno-lint-ignore no-explicit-any -- as the API gives it
  history: any[];
  title: string;
  // deno-lint-ignore no-explicit-any -- as the API gives it
  usage: any;
  server: TestServer;
}

const UI = { "x-vercel-ai-ui-message-stream": "v1" };
const TOOLS = [{
  name: "get_weather",
  parameters: { type: "object", properties: { city: { type: "string" } } },
}];

/** Plays a variant of a case, and calls `check` with what was seen. */
export async function play(
  one: Case,
  variant: Variant,
  check: (played: Played) => Promise<void> | void,
): Promise<void> {
  const titles: Seen[] = [];
  const asked: Seen[] = [];
  await using provider = new CaseServer((seen) => {
    if (seen.method === "GET") return { plain: true, status: 404, chunks: ["{}"] };
    const isTitle = /write a title/i.test(JSON.stringify(seen.body));
    (isTitle ? titles : asked).push(seen);
    const rule = variant.rules?.find(({ unless_header: name }) => !seen.headers.has(name));
    if (rule) return rule.reply;
    const [list, at] = isTitle
      ? [variant.title_replies, titles.length - 1]
      : [variant.replies, asked.length - 1];
    return list?.[at] ?? fine(seen.path);
  });
  const others = [
    ...new Set(
      variant.turns.flatMap(({ other_model: model, other_provider: type }) =>
        model && type ? [`${type} ${model}`] : []
      ),
    ),
  ].map((pair) => pair.split(" "));
  const env = [[one.provider, one.name], ...others].flatMap(([type = "", model = ""], index) => {
    const prefix = `PARLEY_AI_PROVIDER_${index}_`;
    return [
      [`${prefix}TYPE`, type],
      [`${prefix}BASE_URL`, `${provider.url}/${type === "google" ? "v1beta" : "v1"}`],
      [`${prefix}MODELS`, model],
      [`${prefix}API_KEY`, "key-of-a-case"],
    ];
  });
  await using server = await startParley({
    env: { PARLEY_LIMIT_STALL_SECONDS: "4", ...Object.fromEntries(env), ...one.env },
  });
  const chat = await server.newChat({ body: variant.title ? {} : { title: "A chat" } });
  const told: Told[] = [];
  for (const turn of variant.turns) told.push(await take(server, chat, one, variant, turn, told));
  const get = async (path: string) => await (await server.ask("GET", path)).json();
  const history = await get(`/api/v2/chats/${chat}/messages`);
  const title = await titled(get, chat, variant.title);
  const usage = await get("/api/v2/usage");
  await check({ told, asked, titles, history, title, usage, server });
}

async function titled(
  // deno-lint-ignore no-explicit-any -- as the API gives it
  get: (path: string) => Promise<any>,
  chat: string,
  expected: string | undefined,
): Promise<string> {
  for (let tries = 0;; tries++) {
    const { title = "" } = await get(`/api/v2/chats/${chat}`);
    if (expected === undefined || title === expected || tries > 40) return title;
    await new Promise((done) => setTimeout(done, 25));
  }
}

async function take(
  server: TestServer,
  chat: string,
  { name }: Case,
  { ui }: Variant,
  turn: Turn,
  told: Told[],
): Promise<Told> {
  const path = `/api/v2/chats/${chat}/messages`;
  const begun = performance.now();
  const sending = server.ask("POST", path, {
    headers: ui ? UI : {},
    body: {
      message: turn.back
        ? await withResults(server, path, turn.back, ui)
        : messageOf(turn, ui, told.length),
      model: turn.other_model ?? name,
      ...(turn.tools && { tools: TOOLS }),
      ...(turn.thinking && { thinking: true }),
    },
  });
  const later = async (seconds: number, method: string, path: string, body?: unknown) => {
    await new Promise((done) => setTimeout(done, seconds * 1000));
    const done = await server.ask(method, path, body === undefined ? {} : { body });
    await done.body?.cancel();
  };
  const act = turn.stop_after !== undefined
    ? later(turn.stop_after, "POST", `/api/v2/chats/${chat}/stop`, {})
    : turn.delete_after !== undefined
    ? later(turn.delete_after, "DELETE", `/api/v2/chats/${chat}`)
    : undefined;
  const response = await sending;
  const body = await response.text();
  await act;
  const took = performance.now() - begun;
  const nothing = { text: "", reasoning: "", calls: [], finish: undefined };
  if (!response.ok) return { ...nothing, errors: [body], took };
  return { ...(ui ? toldByUi(body) : toldByData(body)), took };
}

function messageOf({ text = "hi", parts }: Turn, ui: boolean | undefined, turn: number) {
  if (ui || parts) {
    return { id: `u${turn}`, role: "user", parts: parts ?? [{ type: "text", text }] };
  }
  return { role: "user", content: text };
}

/** The last answer with results for its calls, as a client sends it back. */
async function withResults(
  server: TestServer,
  path: string,
  back: Record<string, unknown>,
  ui: boolean | undefined,
) {
  const protocol = ui ? "?protocol=ui" : "";
  const messages = await (await server.ask("GET", `${path}${protocol}`)).json();
  const answer = messages.at(-1);
  for (const part of answer.parts) {
    if (part.type === "tool-invocation") {
      Object.assign(part.toolInvocation, { state: "result", result: back["*"] });
    } else if (part.toolCallId) {
      Object.assign(part, { state: "output-available", output: back["*"] });
    }
  }
  for (const call of answer.toolInvocations ?? []) {
    Object.assign(call, { state: "result", result: back["*"] });
  }
  return answer;
}

function toldByData(body: string): Omit<Told, "took"> {
  const parts = partsOf(body);
  const joined = (code: string) =>
    parts.filter((part) => part.code === code).map(({ value }) => value).join("");
  return {
    text: joined("0"),
    reasoning: joined("g"),
    calls: parts.flatMap(({ code, value }) => code === "9" ? [[value.toolName, value.args]] : []),
    errors: parts.flatMap(({ code, value }) => code === "3" ? [String(value)] : []),
    finish: parts.findLast(({ code }) => code === "d")?.value.finishReason,
  };
}

function toldByUi(body: string): Omit<Told, "took"> {
  // deno-lint-ignore no-explicit-any -- as the API gives it
  const chunks: any[] = body.split("\n").flatMap((line) =>
    /^data: [{]/.test(line) ? [JSON.parse(line.slice(6))] : []
  );
  const joined = (type: string) =>
    chunks.filter((chunk) => chunk.type === type).map(({ delta }) => delta).join("");
  return {
    text: joined("text-delta"),
    reasoning: joined("reasoning-delta"),
    calls: chunks.flatMap(({ type, toolName, input }) =>
      type === "tool-input-available" ? [[toolName, input]] : []
    ),
    errors: chunks.flatMap(({ type, errorText }) => type === "error" ? [errorText] : []),
    finish: chunks.find(({ type }) => type === "finish")?.finishReason ??
      (chunks.some(({ type }) => type === "finish") ? "finish" : undefined),
  };
}

/** "Fine." in the dialect of the path. */
function fine(path: string): Reply {
  const dialect = path.includes("/chat/completions")
    ? chat
    : path.includes("/messages")
    ? claude
    : gemini;
  return stream(dialect.answer("Fine."));
}
