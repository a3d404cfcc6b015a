/** Calls that wait for a yes: answered by the route, by the message that comes back, or not at all. */
import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { systemClock } from "../../src/domain/clock.ts";
import type { JsonObject } from "../../src/domain/json.ts";
import { TOKENS } from "../kit/parley.ts";
import { gate } from "../kit/provider/provider.ts";
import { startScripted } from "../kit/scripted.ts";
import { testToolbox } from "../kit/toolbox.ts";
import { readFrames, UI } from "../kit/ui.ts";
import {
  answer,
  answered,
  approvalsOf,
  askedIn,
  asking,
  follow,
  startAsking,
  statesOf,
  uiHistory,
} from "./approvals_kit.ts";

Deno.test("a yes by the route: the same message goes on, and the call runs once", async () => {
  const { scripted, ran } = await startAsking();
  await using _ = scripted;
  const chat = await scripted.chat();
  const frames = await readFrames(await scripted.send(chat, "Go", {}, UI));
  const types = frames.map(({ type }) => type);
  assertEquals(types.slice(-3), ["tool-approval-request", "finish-step", "finish"]);
  assertEquals(frames.at(-1)!["finishReason"], "tool-calls");
  const asked = frames.find(({ type }) => type === "tool-approval-request")!;
  const [approval] = await approvalsOf(scripted);
  assertEquals(approval!.id, asked["approvalId"]);
  const { created_at, expires_at, ...shown } = approval!;
  assert(Date.parse(String(expires_at)) > Date.parse(String(created_at)));
  assertEquals(shown, {
    id: approval!.id,
    chat_id: chat,
    message_id: frames[0]!["messageId"] as string,
    tool_call_id: asked["toolCallId"] as string,
    tool: "test__act",
    input: { on: "this" },
    may_have_run: false,
  });
  assertEquals(ran, []);

  const { status, body } = await answer(scripted, approval!.id, { approved: true });
  assertEquals(status, 200);
  assertEquals(body.approval, { ...approval, approved: true });
  assertEquals(body.run.message_id, frames[0]!["messageId"]);
  await follow(scripted, body.run);
  assertEquals(ran, [{ on: "this" }]);
  const [, message] = await uiHistory(scripted, chat);
  assertEquals(message!.id, frames[0]!["messageId"]);
  assertEquals(statesOf(message!.parts), [
    "step-start",
    "dynamic-tool output-available",
    "step-start",
    "text done",
  ]);
  assertEquals(message!.parts.at(-1)!["text"], "acted 1");
  assertEquals(await approvalsOf(scripted), []);

  const second = await answer(scripted, approval!.id, { approved: false });
  assertEquals(second.status, 409);
  assertEquals(ran.length, 1);
});

Deno.test("a no is streamed, shown and told to the model, with its reason", async () => {
  const { scripted, ran } = await startAsking();
  await using _ = scripted;
  const { chat, approval } = await askedIn(scripted);
  const { body } = await answer(scripted, approval.id, { approved: false, reason: "not today" });
  const frames = await follow(scripted, body.run);
  assert(frames.some(({ type }) => type === "tool-output-denied"));
  const [, message] = await uiHistory(scripted, chat);
  const call = message!.parts.find(({ type }) => type === "dynamic-tool")!;
  assertEquals(call["state"], "output-denied");
  assertEquals(call["approval"], { id: approval.id, approved: false, reason: "not today" });
  assertStringIncludes(String(message!.parts.at(-1)!["text"]), "not today");
  assertEquals(ran, []);
});

for (const approved of [true, false]) {
  Deno.test(`the message sent back with a ${approved ? "yes" : "no"} goes on`, async () => {
    const { scripted, ran } = await startAsking();
    await using _ = scripted;
    const chat = await scripted.chat();
    await (await scripted.send(chat, "Go")).text();
    const [, message] = await uiHistory(scripted, chat);
    const back = answered(message!, approved);
    const frames = await readFrames(await scripted.send(chat, "", { message: back }, UI));
    const outcome = approved ? "tool-output-available" : "tool-output-denied";
    assertEquals(frames.map(({ type }) => type).slice(0, 3), ["start", outcome, "start-step"]);
    assertEquals(frames[0]!["messageId"], message!.id);
    assertEquals(ran.length, approved ? 1 : 0);
    // The same again changes nothing.
    const again = await scripted.send(chat, "", { message: back }, UI);
    assertEquals(again.status, 400);
    await again.body?.cancel();
    assertEquals(ran.length, approved ? 1 : 0);
  });
}

Deno.test("what a client changes in a call is not what runs", async () => {
  const { scripted, ran } = await startAsking();
  await using _ = scripted;
  const chat = await scripted.chat();
  await (await scripted.send(chat, "Go")).text();
  const [, message] = await uiHistory(scripted, chat);
  const back = answered(message!, true);
  const changed = {
    ...back,
    parts: back.parts.map((part) => ({ ...part, input: { on: "that" } })),
  };
  await (await scripted.send(chat, "", { message: changed })).text();
  assertEquals(ran, [{ on: "this" }]);
});

Deno.test("an approval that is not the one asked for is no yes", async () => {
  const { scripted, ran } = await startAsking();
  await using _ = scripted;
  const chat = await scripted.chat();
  await (await scripted.send(chat, "Go")).text();
  const [, message] = await uiHistory(scripted, chat);
  const back = answered(message!, true);
  const parts = back.parts.map((part) =>
    part["approval"] ? { ...part, approval: { id: crypto.randomUUID(), approved: true } } : part
  );
  const response = await scripted.send(chat, "", { message: { ...back, parts } });
  assertEquals(response.status, 400);
  await response.body?.cancel();
  assertEquals(ran, []);
  assertEquals((await approvalsOf(scripted)).length, 1);
});

Deno.test("of several calls, the message goes on after the last answer", async () => {
  const { scripted, ran } = await startAsking({
    tools: { see: { readOnly: true, run: () => ({ output: "seen" }) } },
    script: asking(
      { name: "test__act" },
      { name: "test__see" },
      { name: "test__act", args: { n: 2 } },
    ),
  });
  await using _ = scripted;
  const chat = await scripted.chat();
  await (await scripted.send(chat, "Go")).text();
  const [first, second] = await approvalsOf(scripted, `?chat=${chat}`);
  const one = await answer(scripted, second!.id, { approved: true });
  assertEquals([one.status, one.body.run], [200, null]);
  assertEquals((await approvalsOf(scripted)).map(({ id }) => id), [first!.id]);
  const waiting = (await uiHistory(scripted, chat))[1]!;
  assertEquals(
    waiting.parts.filter(({ type }) => type === "dynamic-tool").map(({ state }) => state),
    ["approval-requested", "output-available", "approval-responded"],
  );
  assertEquals(ran, []);
  const other = await answer(scripted, first!.id, { approved: false });
  await follow(scripted, other.body.run);
  assertEquals(ran, [{ n: 2 }]);
  const text = (await scripted.history(chat))[1]!.content;
  assertMatch(text, /.* \| seen \| acted 1/i);
});

Deno.test("what was asked before a restart is answered after it", async () => {
  const dataDir = await Deno.makeTempDir();
  const { scripted, toolbox, ran } = await startAsking({ dataDir });
  const { approval } = await askedIn(scripted);
  await scripted.server.stop();
  {
    await using again = await startScripted({ dataDir, toolbox, provider: scripted.provider });
    assertEquals(await approvalsOf(again), [approval!]);
    const { body } = await answer(again, approval.id, { approved: true });
    await follow(again, body.run);
    assertEquals(ran.length, 1);
  }
  await scripted[Symbol.asyncDispose]();
  await Deno.remove(dataDir, { recursive: true });
});

Deno.test("of two answers at once the first counts", async () => {
  const { scripted, ran } = await startAsking();
  await using _ = scripted;
  const { approval } = await askedIn(scripted);
  const both = await Promise.all(
    [true, true, true, true].map((approved) => answer(scripted, approval.id, { approved })),
  );
  assertEquals(both.map(({ status }) => status).sort(), [200, 409, 409, 409]);
  await follow(scripted, both.find(({ status }) => status === 200)!.body.run);
  assertEquals(ran.length, 1);
});

Deno.test("an approval belongs to its owner, and is answered in bounds", async () => {
  const { scripted } = await startAsking();
  await using _ = scripted;
  const { approval } = await askedIn(scripted);
  const { id } = approval!;
  assertEquals((await answer(scripted, id, { approved: true }, TOKENS.bob)).status, 404);
  assertEquals((await answer(scripted, crypto.randomUUID(), { approved: true })).status, 404);
  const wrong: JsonObject[] = [
    {},
    { approved: "yes" },
    { approved: true, remember: "ever" },
    { approved: false, reason: "x".repeat(1_001) },
  ];
  for (const body of wrong) {
    const { status, body: error } = await answer(scripted, id, body);
    assertEquals(status, 400);
    assert(error.validations.length > 0);
  }
  assertEquals((await answer(scripted, "nonsense", { approved: true })).status, 400);
  assertEquals(await approvalsOf(scripted), [approval!]);
});

Deno.test("an expired approval is gone, by either way", async () => {
  let skipped = 0;
  const clock = { ...systemClock, now: () => systemClock.now() + skipped };
  const { scripted, ran } = await startAsking({ clock, env: { PARLEY_TOOL_APPROVAL_HOURS: "1" } });
  await using _ = scripted;
  const { chat, approval } = await askedIn(scripted);
  const [, message] = await uiHistory(scripted, chat);
  skipped = 3_600_001;
  assertEquals(await approvalsOf(scripted), []);
  assertEquals((await answer(scripted, approval.id, { approved: true })).status, 410);
  const back = await scripted.send(chat, "", { message: answered(message!, true) });
  assertEquals(back.status, 410);
  await back.body?.cancel();
  assertEquals(ran, []);
  // The chat goes on without it.
  await (await scripted.send(chat, "And now?")).text();
  assertEquals((await approvalsOf(scripted)).length, 1);
});

Deno.test("a chat that has moved on leaves its approvals behind", async () => {
  const { scripted, ran } = await startAsking();
  await using _ = scripted;
  const { chat, approval } = await askedIn(scripted);
  await (await scripted.send(chat, "Never mind")).text();
  const waiting = await approvalsOf(scripted);
  assertEquals(waiting.length, 1);
  assert(waiting[0]!.id !== approval.id);
  assertEquals((await answer(scripted, approval.id, { approved: true })).status, 409);
  assertEquals(ran, []);
  await scripted.server.ask("DELETE", `/api/v2/chats/${chat}`);
  assertEquals(await approvalsOf(scripted), []);
  assertEquals((await answer(scripted, waiting[0]!.id, { approved: true })).status, 404);
});

for (const approved of [true, false]) {
  Deno.test(`a ${approved ? "yes" : "no"} that is remembered counts in its chat`, async () => {
    const { scripted, ran } = await startAsking();
    await using _ = scripted;
    const { chat, approval } = await askedIn(scripted);
    const { body } = await answer(scripted, approval.id, { approved, remember: "chat" });
    await follow(scripted, body.run);
    await (await scripted.send(chat, "Again")).text();
    assertEquals(await approvalsOf(scripted), []);
    assertEquals(ran.length, approved ? 2 : 0);
    await (await scripted.send(await scripted.chat(), "Elsewhere")).text();
    assertEquals((await approvalsOf(scripted)).length, 1);
  });
}

for (const by of ["the body", "the setting"]) {
  Deno.test(`a run that nobody watches by ${by} never waits`, async () => {
    const env: Record<string, string> = by === "the setting" ? { PARLEY_UNATTENDED: "deny" } : {};
    const { scripted, ran } = await startAsking({ env });
    await using _ = scripted;
    const chat = await scripted.chat();
    const extra = by === "the body" ? { unattended: "deny" } : {};
    await (await scripted.send(chat, "Go", extra)).text();
    assertEquals(await approvalsOf(scripted), []);
    assertEquals(ran, []);
    assertMatch((await scripted.history(chat))[1]!.content, /needs the approval.*nobody watches/);
  });
}

Deno.test("watchers are told of approvals", async () => {
  const { scripted } = await startAsking();
  await using _ = scripted;
  const chat = await scripted.chat();
  const watching = await scripted.server.ask("GET", "/api/v2/chats/watch");
  const reader = watching.body!.pipeThrough(new TextDecoderStream()).getReader();
  let seen = "";
  const until = async (text: string) => {
    while (!seen.includes(text)) {
      const { value, done } = await reader.read();
      if (done) throw new Error(`the feed ended before ${text}`);
      seen += value;
    }
  };
  await (await scripted.send(chat, "Go")).text();
  await until("approval.requested");
  const [approval] = await approvalsOf(scripted);
  await answer(scripted, approval!.id, { approved: true });
  await until("approval.answered");
  assertStringIncludes(seen, `"approval_id":"${approval!.id}"`);
  await reader.cancel();
});

Deno.test("the tools and their policies are listed", async () => {
  const toolbox = testToolbox({
    see: { readOnly: true, run: () => ({ output: 1 }) },
    act: { run: () => ({ output: 1 }) },
    burn: { run: () => ({ output: 1 }) },
  }, [{ match: "test__b*", action: "deny" }]);
  await using scripted = await startScripted({ toolbox });
  const { servers, tools } = await (await scripted.server.ask("GET", "/api/v2/tools")).json();
  assertEquals(servers, [{ name: "test", status: "ready" }]);
  assertEquals(
    tools.map(({ name, policy }: JsonObject) => [name, policy]),
    [["test__see", "allow"], ["test__act", "ask"], ["test__burn", "deny"]],
  );
});

Deno.test("a message that waits behind a question is answered after it", async () => {
  const begun = gate();
  const script = asking({ name: "test__act" });
  const { scripted, ran } = await startAsking({
    script: (request) => {
      const { steps } = script(request);
      return { steps: [{ wait: begun }, ...steps ?? []] };
    },
  });
  await using _ = scripted;
  const chat = await scripted.chat();
  const first = scripted.send(chat, "Go");
  await scripted.provider.waitForRequests(1);
  const queued = await scripted.send(chat, "And then?", { busy: "queue" });
  begun.open();
  await (await first).text();
  const waiting = await (await scripted.server.ask("GET", `/api/v2/chats/${chat}/queue`)).json();
  assertEquals(waiting.map(({ held }: { held: boolean }) => held), [true]);
  const [approval] = await approvalsOf(scripted);
  const { body } = await answer(scripted, approval!.id, { approved: true });
  await follow(scripted, body.run);
  assertEquals(ran.length, 1);
  // The next one asks, too.
  await queued.text();
  const [, , , last] = await uiHistory(scripted, chat);
  assertEquals(statesOf(last!.parts).at(-1), "dynamic-tool approval-requested");
});
