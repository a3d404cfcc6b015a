/** A run that a crash cut off shows the same in the stream and in the history, in every client. */
import { assert, assertEquals } from "@std/assert";
import { StreamReader } from "../kit/data_stream.ts";
import { spawnParley } from "../kit/process.ts";
import { startProvider } from "../kit/provider/provider.ts";
import type { Step } from "../kit/provider/script.ts";
import { MODELS, providerEnv } from "../kit/scripted.ts";
import { assembleUi, assembleV4, UI_CLIENTS, type UiClient } from "../wire/clients.ts";
import { HALF_A_CALL } from "../wire/half_a_call.ts";
import { asShownByUi, asShownByV4 } from "../wire/shown.ts";

const TOKEN = "alice-secret";
const headers = { "coder-session-token": TOKEN, "content-type": "application/json" };

const CUT: [where: string, steps: Step[], until: string][] = [
  ["a text", [{ reasoning: "hm" }, { text: "half" }, { stall: true }], "half"],
  ["a reasoning", [{ reasoning: "half" }, { stall: true }], "half"],
  ["the arguments of a call", [{ text: "One moment." }, HALF_A_CALL, { stall: true }], "exact"],
];

for (const [where, steps, until] of CUT) {
  Deno.test(`live equals history after a crash inside ${where}`, async () => {
    await using provider = await startProvider();
    provider.script({ steps });
    const dataDir = await Deno.makeTempDir({ prefix: "parley-interrupted-" });
    const env = { ...providerEnv(provider), PARLEY_TOKENS: `alice=${TOKEN}` };
    const { chat, run } = await crash({ dataDir, env }, until);

    await using second = await spawnParley({ dataDir, env });
    const read = async (path: string) => await fetch(`${second.url}${chat}/${path}`, { headers });
    const stream = async (protocol: string) =>
      await (await read(`stream?run=${run}&protocol=${protocol}`)).bytes();
    const answer = async (protocol: string) =>
      (await (await read(`messages?protocol=${protocol}`)).json()).at(-1);

    for (const client of Object.keys(UI_CLIENTS) as UiClient[]) {
      const { message } = await assembleUi(client, await stream("ui"));
      assertEquals(asShownByUi(client, message), asShownByUi(client, await answer("ui")));
    }
    const { message } = await assembleV4(await stream("data"));
    assertEquals(asShownByV4(message), asShownByV4(await answer("data")));

    const { usage: [counted] } = await (await read("usage")).json();
    assert(counted.input_tokens > 0);
    const { totalUsage } = (await answer("ui")).metadata;
    assertEquals(totalUsage.inputTokens, counted.input_tokens);
    assertEquals(totalUsage.outputTokens, counted.output_tokens);
    await Deno.remove(dataDir, { recursive: true });
  });
}

/** Begins an answer and kills Parley once the stream has the text in it. */
async function crash(options: Parameters<typeof spawnParley>[0], until: string) {
  await using parley = await spawnParley(options);
  const post = async (path: string, body: object) =>
    await fetch(parley.url + path, { method: "POST", headers, body: JSON.stringify(body) });
  const chat = `/api/v2/chats/${(await (await post("/api/v2/chats", { title: "A" })).json()).id}`;
  const sent = await post(`${chat}/messages`, {
    message: { role: "user", content: "Hello" },
    model: MODELS.compatible,
  });
  const reader = new StreamReader(sent);
  await reader.until(until);
  parley.signal("SIGKILL");
  await parley.exit;
  await reader.leave().catch(() => {});
  return { chat, run: sent.headers.get("parley-run-id") };
}
