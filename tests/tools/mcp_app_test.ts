/** MCP servers of a `.mcp.json`, in a whole Parley: their tools in a run, and a sign-in by a browser. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { oauthPair } from "../kit/mcp/oauth.ts";
import { packageArgs } from "../kit/mcp/server.ts";
import { MODELS, startScripted } from "../kit/scripted.ts";
import { readFrames, UI } from "../kit/ui.ts";

/** A Parley with these servers in its `.mcp.json`. */
async function startWith(mcpServers: Record<string, unknown>) {
  const folder = await Deno.makeTempDir();
  const file = `${folder}/.mcp.json`;
  await Deno.writeTextFile(file, JSON.stringify({ mcpServers }));
  const scripted = await startScripted({
    env: { PARLEY_MCP_CONFIG: file, PARLEY_PUBLIC_URL: "http://127.0.0.1:4320" },
    environment: Deno.env.toObject(),
  });
  return {
    scripted,
    async [Symbol.asyncDispose]() {
      await scripted[Symbol.asyncDispose]();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

Deno.test("a model calls a tool of an unchanged server from npm", async () => {
  const args = await packageArgs("@modelcontextprotocol/server-everything", "stdio");
  await using started = await startWith({ everything: { command: Deno.execPath(), args } });
  const { scripted } = started;
  const { servers, tools } = await (await scripted.server.ask("GET", "/api/v2/tools")).json();
  assertEquals(servers, [{ name: "everything", status: "ready" }]);
  const echo = tools.find(({ name }: { name: string }) => name === "everything__echo");
  assertEquals([echo.server, echo.input_schema.required], ["everything", ["message"]]);
  scripted.provider.script(({ body }) => {
    const { messages } = body as { messages: { role: string; content: string }[] };
    const last = messages.at(-1)!;
    return last.role === "tool" ? { steps: [{ text: last.content }, { finish: "stop" }] } : {
      steps: [
        { toolCall: { id: "call_1", name: "everything__echo", args: { message: "hello" } } },
        { finish: "tool-calls" },
      ],
    };
  });
  const chat = await scripted.chat();
  const extra = { model: MODELS.compatible };
  const asked = await readFrames(await scripted.send(chat, "Echo", extra, UI));
  // The server gives no hint that it only reads.
  const approval = asked.find(({ type }) => type === "tool-approval-request");
  if (approval) {
    const path = `/api/v2/approvals/${approval["approvalId"]}`;
    const { run } = await (await scripted.server.ask("POST", path, { body: { approved: true } }))
      .json();
    await (await scripted.server.ask("GET", `/api/v2/chats/${chat}/stream?run=${run.id}`)).text();
  }
  const [, answer] = await scripted.history(chat);
  assertMatch(answer!.content, /Echo: hello/);
});

Deno.test("a browser comes back from a sign-in, and the server's tools are there", async () => {
  await using pair = oauthPair();
  await using started = await startWith({ tickets: { url: pair.url } });
  const { ask } = started.scripted.server;
  const before = await (await ask("GET", "/api/v2/tools")).json();
  const page = before.servers[0].sign_in_url;
  const path = "/api/v2/tools/sign-in";
  assertEquals(new URL(page).searchParams.get("redirect_uri"), `http://127.0.0.1:4320${path}`);
  const forged = await ask("GET", `${path}?code=x&state=y`, { token: null });
  assertEquals(forged.status, 404);
  await forged.body?.cancel();
  const back = await ask("GET", `${path}?${pair.approve(page)}`, { token: null });
  assertEquals([back.status, await back.text()], [
    200,
    "Parley is signed in to tickets. You can close this page.\n",
  ]);
  const { servers, tools } = await (await ask("GET", "/api/v2/tools")).json();
  assertEquals(servers, [{ name: "tickets", status: "ready" }]);
  assert(tools.length > 0);
});
