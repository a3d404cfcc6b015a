/** MCP servers of a `.mcp.json` in a whole Parley: tools in a run, their questions, a sign-in by a browser. */
import { assert, assertEquals, assertMatch } from "@std/assert";
import type { JsonObject } from "../../src/domain/json.ts";
import { oauthPair } from "../kit/mcp/oauth.ts";
import { packageArgs } from "../kit/mcp/server.ts";
import { MODELS, startScripted } from "../kit/scripted.ts";
import type { ScriptSource } from "../kit/provider/provider.ts";
import { readFrames, UI } from "../kit/ui.ts";
import { answer, approvalsOf, follow, statesOf, uiHistory } from "../runs/approvals_kit.ts";

/** A Parley with these servers in its `.mcp.json`. */
async function startWith(mcpServers: Record<string, unknown>, env: Record<string, string> = {}) {
  const folder = await Deno.makeTempDir();
  const file = `${folder}/.mcp.json`;
  await Deno.writeTextFile(file, JSON.stringify({ mcpServers }));
  const scripted = await startScripted({
    env: { PARLEY_MCP_CONFIG: file, PARLEY_PUBLIC_URL: "http://127.0.0.1:4320", ...env },
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
  scripted.provider.script(callOnce("everything__echo", { message: "hello" }));
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

/** A model that calls this once, and then says what it was told. */
function callOnce(name: string, args: JsonObject): ScriptSource {
  return ({ body }) => {
    const last = (body as { messages: { role: string; content: string }[] }).messages.at(-1)!;
    return last.role === "tool"
      ? { steps: [{ text: last.content }, { finish: "stop" as const }] }
      : {
        steps: [{ toolCall: { id: "call_1", name, args } }, { finish: "tool-calls" as const }],
      };
  };
}

Deno.test("what a tool asks a person waits as an approval does, and its call is made again", async () => {
  const args = await packageArgs("@modelcontextprotocol/server-everything", "stdio");
  await using started = await startWith({ everything: { command: Deno.execPath(), args } }, {
    PARLEY_TOOL_POLICIES: "everything__*=allow",
  });
  const { scripted } = started;
  const tool = "everything__trigger-elicitation-request";
  scripted.provider.script(callOnce(tool, {}));
  for (const approved of [true, false]) {
    const chat = await scripted.chat();
    await (await scripted.send(chat, "Ask me")).text();
    const [approval] = await approvalsOf(scripted);
    assertEquals(approval!.tool, tool);
    const question = approval!["question"] as { message: string; schema: JsonObject };
    assertMatch(question.message, /provide inputs/i);
    assert((question.schema["required"] as string[]).includes("name"));
    if (approved) {
      const wrong = await answer(scripted, approval!.id, { approved, content: { name: 1 } });
      assertEquals(wrong.status, 400);
      assertEquals(wrong.body.validations[0].field, "content");
    }
    const content = { name: "Ada", check: true, email: "ada@example.com" };
    const { status, body } = await answer(scripted, approval!.id, {
      approved,
      ...(approved && { content }),
    });
    assertEquals(status, 200, JSON.stringify(body));
    await follow(scripted, body.run);
    const [, message] = await scripted.history(chat);
    assertMatch(message!.content, approved ? /Ada/ : /denied/i);
    assertEquals(await approvalsOf(scripted), []);
  }
});

Deno.test("a call that was approved may still ask: the same message goes on after each answer", async () => {
  const args = await packageArgs("@modelcontextprotocol/server-everything", "stdio");
  await using started = await startWith({ everything: { command: Deno.execPath(), args } }, {
    PARLEY_TOOL_POLICIES: "everything__*=ask",
  });
  const { scripted } = started;
  scripted.provider.script(callOnce("everything__trigger-elicitation-request", {}));
  const chat = await scripted.chat();
  await (await scripted.send(chat, "Ask me")).text();
  const content = { name: "Ada" };
  for (const given of [{ approved: true }, { approved: true, content }]) {
    const [approval] = await approvalsOf(scripted);
    assertEquals("question" in approval!, "content" in given);
    const { status, body } = await answer(scripted, approval!.id, given);
    assertEquals(status, 200, JSON.stringify(body));
    const frames = await follow(scripted, body.run);
    assertEquals(frames.filter(({ type }) => type === "tool-output-error"), []);
  }
  const [, message] = await uiHistory(scripted, chat);
  assertEquals(statesOf(message!.parts), [
    "step-start",
    "dynamic-tool output-available",
    "step-start",
    "text done",
  ]);
  assertMatch(String(message!.parts.at(-1)!["text"]), /Ada/);
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
