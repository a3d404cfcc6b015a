/** Requests to other servers: with a length, and never sent twice. */
import { assertEquals, assertRejects } from "@std/assert";
import { ask, type QuestionBody } from "../../src/net/ask.ts";
import { Trouble } from "../../src/net/trouble.ts";
import { startProvider } from "../kit/provider/provider.ts";
import { CaseServer } from "../cases/server.ts";

function bodyOf(text: string): QuestionBody {
  const bytes = new TextEncoder().encode(text);
  return {
    length: bytes.length,
    pieces: async function* () {
      for (let at = 0; at < bytes.length; at += 1_000) yield bytes.slice(at, at + 1_000);
    },
  };
}

const headers = { "content-type": "application/json" };

Deno.test("a body that comes in pieces has its length beside it", async () => {
  await using server = new CaseServer(() => ({ plain: true, chunks: ["{}"] }));
  const text = JSON.stringify("ü".repeat(100_000));
  const response = await ask(server.url, { method: "POST", headers, body: bodyOf(text) });
  assertEquals(await response.text(), "{}");
  const [seen] = server.seen;
  assertEquals(seen!.headers.get("content-length"), String(200_002));
  assertEquals(seen!.headers.get("transfer-encoding"), null);
  assertEquals(JSON.stringify(seen!.body), text);
});

Deno.test("a request that a kept connection refuses is not sent again", async () => {
  await using provider = await startProvider({ script: [{}, { refuse: true }, {}] });
  const body = bodyOf(JSON.stringify({ stream: true, messages: [] }));
  const request = () =>
    ask(`${provider.base.openai}/chat/completions`, { method: "POST", headers, body });
  await (await request()).text();
  await assertRejects(request, Trouble, "closed the connection");
  assertEquals(provider.requests.map(({ outcome }) => outcome), ["complete", "refused"]);
});
