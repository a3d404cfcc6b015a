/**
 * A whole conversation with a real model behind a real server or gateway. Runs where `REAL_LLM_URL` is
 * the base URL of an OpenAI-compatible one; `REAL_LLM_NAME` names it, `REAL_LLM_MODEL` its model.
 * `REAL_LLM_KEY` is its key, and `REAL_LLM_HEADERS` a JSON object of headers that it wants.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { DEFAULT_TITLE } from "../../src/domain/chat.ts";
import { partsOf, textOf } from "../kit/data_stream.ts";
import { spawnParley } from "../kit/process.ts";
import { clientOf, eventually } from "./client.ts";

const URL_OF_MODEL = Deno.env.get("REAL_LLM_URL")?.replace(/\/$/, "");
const NAME = Deno.env.get("REAL_LLM_NAME") ?? "a real server";
const MODEL = Deno.env.get("REAL_LLM_MODEL") ?? "gemma-3-270m";
const KEY = Deno.env.get("REAL_LLM_KEY");
const HEADERS: Record<string, string> = JSON.parse(Deno.env.get("REAL_LLM_HEADERS") ?? "{}");

/** A small model may babble without an end. */
const MAX_TOKENS = 40;

/** Titles get room for thoughts, which this one fills to the end: here they get less. */
const MAX_TITLE_TOKENS = 150;

/** A picture, for a model that takes texts only. */
const PICTURE = {
  type: "file",
  mediaType: "image/png",
  url: "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhf" +
    "DwAChwGA60e6kgAAAABJRU5ErkJggg==",
};

/** One request for an answer or a title that was answered. */
interface Exchange {
  messages: { role: string; content: string }[];
  /** The response, once it is whole. */
  response: Promise<string>;
}

interface Proxy extends AsyncDisposable {
  url: string;
  exchanges: Exchange[];
  /** How many requests were refused. */
  readonly refusals: number;
}

/** Stands between Parley and the model's server: passes all on as it comes, but titles shorter, and keeps a copy. */
function startProxy(target: string): Proxy {
  const exchanges: Exchange[] = [];
  let refusals = 0;
  const { origin, pathname } = new URL(target);
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const asked = request.method === "POST" ? await request.json() : null;
      if (asked) asked.max_tokens = Math.min(asked.max_tokens, MAX_TITLE_TOKENS);
      const authorization = request.headers.get("authorization");
      const response = await fetch(origin + new URL(request.url).pathname, {
        method: request.method,
        headers: {
          "content-type": "application/json",
          ...(authorization !== null && { authorization }),
          ...HEADERS,
        },
        body: asked && JSON.stringify(asked),
      });
      const headers = { "content-type": response.headers.get("content-type") ?? "" };
      const { status } = response;
      if (!response.ok && status !== 404) refusals++;
      if (asked === null || !response.body || !response.ok) {
        return new Response(response.body, { status, headers });
      }
      const copy = Promise.withResolvers<string>();
      exchanges.push({ messages: asked.messages, response: copy.promise });
      return new Response(response.body.pipeThrough(copying(copy.resolve)), {
        status,
        headers,
      });
    },
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}${pathname}`,
    exchanges,
    get refusals() {
      return refusals;
    },
    async [Symbol.asyncDispose]() {
      await server.shutdown();
    },
  };
}

/** Passes each chunk on at once (`tee` would gather them), and gives the whole text at the end. */
function copying(done: (text: string) => void): TransformStream<Uint8Array, Uint8Array> {
  const decoder = new TextDecoder();
  let text = "";
  return new TransformStream({
    transform(chunk, controller) {
      text += decoder.decode(chunk, { stream: true });
      controller.enqueue(chunk);
      // Parley closes the connection here, often before the server does.
      if (text.includes("data: [DONE]")) done(text);
    },
    flush: () => done(text),
  });
}

/** What the model's server said that it counted. */
function reportedUsage(response: string): { promptTokens: number; completionTokens: number } {
  const usage = response.split("\n")
    .filter((line) => line.startsWith("data: {"))
    .map((line) => JSON.parse(line.slice("data: ".length)).usage)
    .findLast(Boolean);
  return { promptTokens: usage.prompt_tokens, completionTokens: usage.completion_tokens };
}

/** Reads a stream to its end, and counts the pieces in which the network brought it. */
async function readStream(response: Response): Promise<{ text: string; chunks: number }> {
  assertEquals(response.status, 200);
  const decoder = new TextDecoder();
  let [text, chunks] = ["", 0];
  for await (const chunk of response.body!) {
    text += decoder.decode(chunk, { stream: true });
    chunks++;
  }
  return { text, chunks };
}

Deno.test({
  name: URL_OF_MODEL
    ? `a conversation with ${MODEL} through ${NAME}`
    : "a conversation with a real model (REAL_LLM_URL is not set)",
  ignore: !URL_OF_MODEL,
  fn: async (t) => {
    await using proxy = startProxy(URL_OF_MODEL!);
    await using server = await spawnParley({
      env: {
        PARLEY_TOKENS: "alice=alice-secret",
        PARLEY_AI_PROVIDER_0_TYPE: "openai-compatible",
        PARLEY_AI_PROVIDER_0_BASE_URL: proxy.url,
        ...(KEY && { PARLEY_AI_PROVIDER_0_API_KEY: KEY }),
        PARLEY_SYSTEM_PROMPT: "You answer in one short sentence.",
        PARLEY_LIMIT_OUTPUT_TOKENS: String(MAX_TOKENS),
      },
    });
    const alice = clientOf(server.url, "alice-secret");
    const answers = () =>
      proxy.exchanges.filter(({ messages }) => messages[0]?.content.startsWith("You answer in"));
    const chat = await alice.newChat();
    const said: string[] = [];

    const turn = async (question: string) => {
      const { text, chunks } = await readStream(await alice.send(chat, question, MODEL));
      const parts = partsOf(text);
      const answer = textOf(parts);
      said.push(question, answer);
      assert(answer.trim() !== "", text);
      assert(chunks > 3, `the answer came in ${chunks} pieces`);
      assertEquals((await alice.history(chat)).map(({ content }) => content), said);
      const { usage, finishReason } = parts.at(-1)!.value;
      assert(["stop", "length"].includes(finishReason), finishReason);
      assertEquals(usage, reportedUsage(await answers().at(-1)!.response));
      assert(usage.promptTokens > 0 && usage.completionTokens > 0, JSON.stringify(usage));
      assert(usage.completionTokens <= MAX_TOKENS, JSON.stringify(usage));
    };

    await t.step("its server's own list of models is offered", async () => {
      const { models } = await (await alice.ask("GET", "/api/v2/deployment/llms")).json();
      assert(models.some(({ id }: { id: string }) => id === MODEL), JSON.stringify(models));
    });

    await t.step(
      "an answer streams, is what the history holds, and is counted",
      () => turn("Name three colours of the rainbow."),
    );

    await t.step("the chat gets a title of at most 40 characters", async () => {
      const title = await eventually("the chat has a title", async () => {
        const title = await alice.title(chat);
        return title === DEFAULT_TITLE ? undefined : title;
      }, 90_000);
      assert(title.length >= 1 && title.length <= 40, title);
    });

    await t.step(
      "the second request carries the first turn, and the same text before it",
      async () => {
        await turn("And which of them do you like?");
        const [first, second] = answers().map(({ messages }) => messages);
        assertEquals(second!.slice(0, first!.length), first);
        assertEquals(
          second!.slice(first!.length - 1).map(({ role, content }) => [role, content]),
          [["user", said[0]], ["assistant", said[1]], ["user", said[2]]],
        );
      },
    );

    await t.step("a picture fails its own message, with the reason, and not the next", async () => {
      const other = await alice.newChat({ title: "A picture" });
      const path = `/api/v2/chats/${other}/messages`;
      const message = { id: "m1", role: "user", parts: [{ type: "text", text: "See?" }, PICTURE] };
      const response = await alice.ask("POST", path, { message, model: MODEL });
      assertMatch((await readStream(response)).text, /image input is not supported/);
      assertEquals(proxy.refusals, 1);
      const { text } = await readStream(await alice.send(other, "Name a colour.", MODEL));
      assert(textOf(partsOf(text)).trim() !== "", text);
      assertEquals(proxy.refusals, 2);
      proxy.exchanges.pop();
    });

    await t.step("the ledger of the chat adds up to what the server counted", async () => {
      const reports = await Promise.all(
        proxy.exchanges.map(async ({ response }) => reportedUsage(await response)),
      );
      const { usage } = await (await alice.ask("GET", `/api/v2/chats/${chat}/usage`)).json();
      const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0);
      assertEquals(usage.map(({ requests }: { requests: number }) => requests), [reports.length]);
      assertEquals(
        [usage[0].input_tokens, usage[0].output_tokens],
        [
          sum(reports.map(({ promptTokens }) => promptTokens)),
          sum(reports.map(({ completionTokens }) => completionTokens)),
        ],
      );
    });
  },
});
