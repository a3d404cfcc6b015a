/** P2 and P12 where the process has no file descriptor left. */
import { assertEquals, assertStringIncludes } from "@std/assert";
import { clientOf, eventually } from "../e2e/client.ts";
import { type ParleyProcess, spawnParley } from "../kit/process.ts";
import { gate, startProvider } from "../kit/provider/provider.ts";
import { MODELS, providerEnv } from "../kit/scripted.ts";
import { saidBy, wholeParts, Witness } from "./witness.ts";

/** Always the source: the runtime of a binary of Deno 2.6 stops listening without a word. */
const ROOT = new URL("../..", import.meta.url).pathname;
const SOURCE = [Deno.execPath(), "run", "-A", "--config", `${ROOT}deno.json`, `${ROOT}main.ts`];

/** A little more than Parley needs for itself. */
const DESCRIPTORS = 48;

/** Connections that say nothing, until the server can accept no more; the result closes them. */
async function takeAllDescriptors(server: ParleyProcess): Promise<() => void> {
  const held: Deno.Conn[] = [];
  await eventually("the server says that it accepts no more", async () => {
    try {
      held.push(await connect(server));
    } catch {
      // It listens no more, or not yet again.
    }
    return server.stderr.includes("no connection can be accepted") ? true : undefined;
  });
  return () => held.forEach((conn) => conn.close());
}

function connect({ url }: ParleyProcess): Promise<Deno.TcpConn> {
  const { hostname, port } = new URL(url);
  return Deno.connect({ hostname, port: Number(port) });
}

/** Sends a message over a connection that is open already; resolves to the whole response. */
async function sendOver(conn: Deno.TcpConn, server: ParleyProcess, chat: string): Promise<string> {
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
  ];
  await conn.write(new TextEncoder().encode(`${head.join("\r\n")}\r\n\r\n${body}`));
  return await new Response(conn.readable).text();
}

Deno.test({
  name: "live runs go on without a file descriptor left, and all is well when there are some",
  ignore: Deno.build.os !== "linux",
  async fn() {
    const more = gate();
    await using provider = await startProvider({
      script: { steps: [{ text: "one " }, { wait: more }, { text: "two" }] },
    });
    await using server = await spawnParley({
      command: ["bash", "-c", `ulimit -n ${DESCRIPTORS}; exec "$@"`, "bash", ...SOURCE],
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
    const open = await connect(server);

    const giveBack = await takeAllDescriptors(server);
    const response = await sendOver(open, server, other);
    assertStringIncludes(response, '\n3:"The provider');
    assertStringIncludes(response, '\nd:{"finishReason":"error"');
    more.open();
    assertEquals(await live.over, "ended");
    assertEquals(saidBy(live.parts).text, "one two");

    giveBack();
    const next = await eventually("the server accepts connections again", async () => {
      try {
        return await client.send(other, "And now?", MODELS.compatible);
      } catch {
        return undefined;
      }
    });
    assertEquals(saidBy(wholeParts(await next.bytes())).text, "one two");
    const contents = async (chat: string) =>
      (await client.history(chat)).map(({ content }) => content);
    assertEquals(await contents(chat), ["Hello", "one two"]);
    assertEquals(await contents(other), ["Hello", "And now?", "one two"]);
  },
});
