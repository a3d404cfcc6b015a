/**
 * What a provider sends, in the four dialects, and what that costs everybody else: events without end,
 * bytes that unpack to a thousand times as many, millions of tiny pieces, depth, width, errors and lists.
 */
import { assertMatch } from "@std/assert";
import { type Dialect, DIALECTS, evilEnv } from "../kit/dialects.ts";
import { type Bounds, type Stage, startStage } from "./kit.ts";
import { ATTACKS } from "./providers_worker.ts";

/**
 * What an answer of several megabytes may cost: its end copies it three times and writes it at once, with a
 * checkpoint behind it.
 */
const LARGE: Partial<Bounds> = { stallMs: 100, addedMs: 100 };

/** Sends a message in a dialect, and stops a flood after a second: it would last until its bound. */
async function sendTo(stage: Stage, { model }: Dialect, isFlood = false): Promise<string> {
  const chat = await stage.newChat();
  const response = await stage.send(chat, "Go", { model });
  const stop = () => stage.ask("POST", `/api/v2/chats/${chat}/stop`);
  const late = setTimeout(stop, isFlood ? 1_000 : 20_000);
  let text = "";
  for await (const piece of response.body!.pipeThrough(new TextDecoderStream())) {
    text = (text + piece).slice(-2_000);
  }
  clearTimeout(late);
  return text;
}

/** Without the Responses API, which is asked at its makers' own address alone. */
const [CHAT, ...OTHERS] = Object.values(DIALECTS)
  .filter((dialect) => dialect !== DIALECTS.responses) as [Dialect, ...Dialect[]];

Deno.test("no provider stops the others", async (t) => {
  const evil = new Worker(new URL("providers_worker.ts", import.meta.url), { type: "module" });
  const heard = () =>
    new Promise<string>((resolve) => evil.onmessage = ({ data }) => resolve(data));
  const url = await heard();
  await using stage = await startStage({
    env: {
      ...evilEnv(url, 4),
      PARLEY_LIMIT_RETRIES: "0",
      PARLEY_AI_PROVIDER_8_TYPE: "openai-compatible",
      PARLEY_AI_PROVIDER_8_NAME: "listing",
      PARLEY_AI_PROVIDER_8_BASE_URL: `${url}/v1`,
    },
  });
  // Each dialect's package is loaded at its first use.
  for (const dialect of [CHAT, ...OTHERS]) await sendTo(stage, dialect);
  for (const [attack, [name, expected, ...replies]] of ATTACKS.entries()) {
    await t.step(name, () =>
      stage.survive(name, async () => {
        for (const index of replies.keys()) {
          evil.postMessage([attack, index]);
          await heard();
          for (const dialect of [CHAT, OTHERS[index % OTHERS.length]!]) {
            const isFlood = /unpack|tiny/.test(name);
            assertMatch(await sendTo(stage, dialect, isFlood), expected, dialect.model);
          }
        }
      }, /largest|database/.test(name) ? LARGE : {}));
  }
  await t.step(
    "a list of models without end",
    () =>
      stage.survive("a list of models without end", async () => {
        const { problems } = await (await stage.ask("GET", "/api/v2/deployment/llms")).json();
        assertMatch(JSON.stringify(problems), /more than 8388608 bytes/);
      }),
  );
  evil.terminate();
});
