/** P2 and P12 where the process has no file descriptor left. */
import { assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { clientOf, eventually } from "../e2e/client.ts";
import { type ParleyProcess, spawnParley } from "../kit/process.ts";
import { gate, startProvider } from "../kit/provider/provider.ts";
import { MODELS, providerEnv } from "../kit/scripted.ts";
import { run, succeeds } from "./faults.ts";
import { saidBy, wholeParts, Witness } from "./witness.ts";

/** Lets the process open no more files; the result lets it again. */
async function takeAllDescriptors({ pid }: ParleyProcess): Promise<() => Promise<void>> {
  const limit = (count: string) => run("prlimit", "--pid", `${pid}`, `--nofile=${count}:`);
  const before = /^Max open files +(\d+)/m.exec(Deno.readTextFileSync(`/proc/${pid}/limits`))![1]!;
  await limit("5");
  return () => limit(before);
}

function connect({ url }: ParleyProcess): Promise<Deno.TcpConn> {
  const { hostname, port } = new URL(url);
  return Deno.connect({ hostname, port: Number(port) });
}

/** Begins a request to send a message; the result sends its body and resolves to the whole response. */
async function beginToSend(server: ParleyProcess, chat: string): Promise<() => Promise<string>> {
  const conn = await connect(server);
  const write = (text: string) => conn.write(new TextEncoder().encode(text));
  const body = JSON.stringify({
    message: { role: "user", content: "Hello" },
    model: MODELS.compatible,
  });
  const head = [
    `POST /api/v2/chats/${chat}/messages HTTP/1.1`,
    `host: ${new URL(server.url).host}`,
    "coder-session-token: alice-secret",
    "content-type: application/json",
    `content-length: ${body.length}`,
    "connection: close",
    "expect: 100-continue",
  ];
  await write(`${head.join("\r\n")}\r\n\r\n`);
  await conn.read(new Uint8Array(100));
  return async () => {
    await write(body);
    return await new Response(conn.readable).text();
  };
}

Deno.test({
  name: "live runs go on without a file descriptor left, and all is well when there are some",
  ignore: !succeeds("prlimit", "--version"),
  async fn() {
    const more = gate();
    await using provider = await startProvider({
      script: { steps: [{ text: "one " }, { wait: more }, { text: "two" }] },
    });
    await using server = await spawnParley({
      env: {
        PARLEY_TOKENS: "alice=alice-secret",
        PARLEY_LIMIT_RETRIES: "0",
        PARLEY_LOG_FORMAT: "json",
        ...providerEnv(provider),
      },
    });
    const client = clientOf(server.url, "alice-secret");
    const chat = await client.newChat({ title: "A chat" });
    const other = await client.newChat({ title: "Another" });
    const live = new Witness(await client.send(chat, "Hello", MODELS.compatible));
    await live.piece("one ");
    const send = await beginToSend(server, other);

    const giveBack = await takeAllDescriptors(server);
    const waiting = await connect(server);
    await eventually("the log says so", () => {
      return Promise.resolve(server.stderr.includes("no connection can be accepted") || undefined);
    });
    const { hostname, port } = new URL(server.url);
    assertThrows(() => Deno.listen({ hostname, port: Number(port) }), Deno.errors.AddrInUse);
    const response = await send();
    assertMatch(response, /\n3:"The (connection to the )?provider/);
    assertStringIncludes(response, '\nd:{"finishReason":"error"');
    more.open();
    assertEquals(await live.over, "ended");
    assertEquals(saidBy(live.parts).text, "one two");

    await giveBack();
    const next = await client.send(other, "And now?", MODELS.compatible);
    waiting.close();
    assertEquals(saidBy(wholeParts(await next.bytes())).text, "one two");
    const contents = async (chat: string) =>
      (await client.history(chat)).map(({ content }) => content);
    assertEquals(await contents(chat), ["Hello", "one two"]);
    assertEquals(await contents(other), ["Hello", "And now?", "one two"]);
  },
});
