/** Approvals off the usual way: a copy of their chat, other policies, another schema, a stop. */
import { assertEquals, assertMatch } from "@std/assert";
import { startScripted } from "../kit/scripted.ts";
import { type TestTool, testToolbox } from "../kit/toolbox.ts";
import { UI } from "../kit/ui.ts";
import { answer, approvalsOf, asking, follow, startAsking, uiHistory } from "./approvals_kit.ts";

Deno.test("a copy of a chat whose approved call runs does not run it again", async () => {
  const begun = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  let runs = 0;
  const act: TestTool = {
    async run() {
      runs++;
      begun.resolve();
      await go.promise;
      return { output: "acted" };
    },
  };
  const { scripted } = await startAsking({ tools: { act } });
  await using _ = scripted;
  const chat = await scripted.chat();
  await (await scripted.send(chat, "Go")).text();
  const [approval] = await approvalsOf(scripted);
  const { body } = await answer(scripted, approval!.id, { approved: true });
  await begun.promise;
  const forked = await scripted.server.ask("POST", `/api/v2/chats/${chat}/fork`, { body: {} });
  const { id: fork } = await forked.json();
  const copy = (await uiHistory(scripted, fork)).at(-1)!;
  const back = await scripted.send(fork, "", { message: copy }, UI);
  setTimeout(() => go.resolve(), 300);
  await back.text();
  await follow(scripted, body.run);
  assertEquals(runs, 1);
  const said = (await uiHistory(scripted, chat)).at(-1)!;
  assertEquals(said.parts.at(-1)!["text"], "acted");
});

for (const change of ["policies", "schema"] as const) {
  Deno.test(`a yes does not run what the ${change} no longer allow`, async () => {
    const dataDir = await Deno.makeTempDir();
    const { scripted, ran } = await startAsking({ dataDir });
    const chat = await scripted.chat();
    await (await scripted.send(chat, "Go")).text();
    const [approval] = await approvalsOf(scripted);
    await scripted.server.stop();
    const act: TestTool = {
      run: ({ input }) => ({ output: ran.push(input) }),
      ...(change === "schema" && { schema: { type: "object", required: ["by"] } }),
    };
    const deny = [{ match: "test__act", action: "deny" }] as const;
    const toolbox = testToolbox({ act }, change === "policies" ? [...deny] : []);
    {
      await using again = await startScripted({ dataDir, toolbox, provider: scripted.provider });
      const { body } = await answer(again, approval!.id, { approved: true });
      await follow(again, body.run);
      assertEquals(ran, []);
      const { parts } = (await uiHistory(again, chat)).at(-1)!;
      const told = change === "policies" ? /policies.*do not allow/ : /do not fit.*by/;
      assertMatch(String(parts.at(-1)!["text"]), told);
    }
    await scripted[Symbol.asyncDispose]();
    await Deno.remove(dataDir, { recursive: true });
  });
}

Deno.test("a call that asks is no answer yet, however the provider ends its step", async () => {
  const { scripted, ran } = await startAsking({
    script: ({ body }) => {
      const { messages } = body as { messages: { role: string }[] };
      return {
        steps: messages.at(-1)?.role === "user"
          ? [
            { toolCall: { id: "call_0", name: "test__act", args: {} } },
            { finish: "length" as const },
          ]
          : [{ text: '{"done":true}' }, { finish: "stop" as const }],
      };
    },
  });
  await using _ = scripted;
  const chat = await scripted.chat();
  const schema = { type: "object", required: ["done"] };
  const response_format = { type: "json_schema", json_schema: { name: "done", schema } };
  await (await scripted.send(chat, "Go", { response_format })).text();
  const [approval] = await approvalsOf(scripted);
  const { body } = await answer(scripted, approval!.id, { approved: true });
  await follow(scripted, body.run);
  assertEquals(ran.length, 1);
  assertEquals((await scripted.history(chat)).at(-1)!.content, '{"done":true}');
});

for (const approved of [true, false]) {
  Deno.test(`a stop right behind a ${approved ? "yes" : "no"} closes its call as clients know it`, async () => {
    const { scripted, ran, toolbox } = await startAsking();
    await using _ = scripted;
    const chat = await scripted.chat();
    await (await scripted.send(chat, "Go")).text();
    const [approval] = await approvalsOf(scripted);
    const asked = Promise.withResolvers<void>();
    const real = toolbox.definitions.bind(toolbox);
    toolbox.definitions = () => {
      asked.resolve();
      return new Promise(() => {});
    };
    const { body } = await answer(scripted, approval!.id, { approved, reason: "so" });
    await asked.promise;
    await scripted.server.ask("POST", `/api/v2/chats/${chat}/stop`);
    await follow(scripted, body.run);
    toolbox.definitions = real;
    const message = (await uiHistory(scripted, chat)).at(-1)!;
    const call = message.parts.find(({ type }) => type === "dynamic-tool")!;
    assertEquals(call["state"], approved ? "output-error" : "output-denied");
    if (approved) assertMatch(String(call["errorText"]), /^Not run/);
    assertEquals(call["approval"], { id: approval!.id, approved, reason: "so" });
    // A client that sends it back goes on with it.
    const back = await scripted.send(chat, "", { message });
    assertEquals(back.status, 200, await back.text());
    assertEquals(ran, []);
  });
}

Deno.test("approvals that are stored late wait for nobody", async () => {
  let fails = 0;
  const { scripted } = await startAsking({
    stores: (stores) => ({
      ...stores,
      events: {
        ...stores.events,
        append: (groups, endings) =>
          endings.some(({ calls }) => calls && calls.asked.length > 0) && ++fails < 5
            ? Promise.reject(new Error("no disk"))
            : stores.events.append(groups, endings),
      },
    }),
  });
  await using _ = scripted;
  const chat = await scripted.chat();
  const text = await (await scripted.send(chat, "Go", {}, UI)).text();
  assertMatch(text, /"type":"error"/);
  for (let tries = 0; tries < 50; tries++) {
    const run = await scripted.server.ask("GET", `/api/v2/chats/${chat}/stream`);
    await run.body?.cancel();
    if (run.status === 204) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  assertEquals(await approvalsOf(scripted), []);
  await (await scripted.send(chat, "Again", {}, UI)).text();
});

Deno.test("a no without a word is still told as one", async () => {
  const { scripted } = await startAsking();
  await using _ = scripted;
  const chat = await scripted.chat();
  await (await scripted.send(chat, "Go")).text();
  const [approval] = await approvalsOf(scripted);
  const { body } = await answer(scripted, approval!.id, { approved: false, reason: "" });
  await follow(scripted, body.run);
  assertMatch(String((await scripted.history(chat))[1]!.content), /denied/);
});

Deno.test("a chat that its own answer has filled still takes a yes or no", async () => {
  for (const approved of [true, false]) {
    const { scripted, ran } = await startAsking({
      env: { PARLEY_LIMIT_CHAT_BYTES: "65536" },
      script: asking({ name: "test__act", args: { text: "x".repeat(70_000) } }),
    });
    await using _ = scripted;
    const chat = await scripted.chat();
    await (await scripted.send(chat, "Go")).text();
    const [approval] = await approvalsOf(scripted);
    const { status, body } = await answer(scripted, approval!.id, { approved });
    assertEquals(status, 200);
    await follow(scripted, body.run);
    assertEquals(ran.length, approved ? 1 : 0);
    const more = await scripted.send(chat, "More");
    assertEquals(more.status, 413);
    await more.body?.cancel();
  }
});

Deno.test("an approval of another branch waits until that is chosen again", async () => {
  const { scripted, ran } = await startAsking();
  await using _ = scripted;
  const chat = await scripted.chat();
  const message = { id: "u", role: "user", content: "Go" };
  await (await scripted.send(chat, "", { message })).text();
  const [first] = await approvalsOf(scripted);
  await (await scripted.send(chat, "", { message })).text();
  const [second] = await approvalsOf(scripted);
  assertEquals((await answer(scripted, first!.id, { approved: true })).status, 409);
  const path = `/api/v2/chats/${chat}`;
  const history = await (await scripted.server.ask("GET", `${path}/messages?protocol=ui`)).json();
  const [branch] = history.at(-1).metadata.branches.siblings;
  const chosen = await scripted.server.ask("PATCH", path, { body: { branch } });
  assertEquals(chosen.status, 200, await chosen.text());
  assertEquals((await approvalsOf(scripted)).map(({ id }) => id), [first!.id]);
  assertEquals((await answer(scripted, second!.id, { approved: true })).status, 409);
  const { body } = await answer(scripted, first!.id, { approved: true });
  await follow(scripted, body.run);
  assertEquals(ran.length, 1);
});
