import assert from "node:assert/strict";
import { test } from "node:test";
import { openChat } from "./chat_page.js";
import { history, newChat } from "./parley.js";

const limits = { timeout: 60_000 };

test("an answer streams onto the page and is what the history holds", limits, async (t) => {
  const chat = await newChat();
  const page = await openChat(t, chat);
  await page.turn(() => page.send("Hello"));

  assert.deepEqual(page.statuses, ["ready", "submitted", "streaming", "ready"]);
  assert.equal(page.finished.length, 1);
  const { finishReason, usage, message } = page.finished[0];
  assert.equal(finishReason, "stop");
  assert.ok(usage.promptTokens > 0 && usage.completionTokens > 0, JSON.stringify(usage));
  assert.equal(usage.totalTokens, usage.promptTokens + usage.completionTokens);

  const stored = await history(chat);
  assert.deepEqual(stored.map(({ role }) => role), ["user", "assistant"]);
  assert.match(stored[1].content, /Message 1 of this chat said:\n\n> Hello\n/);
  assert.equal(page.lastMessage.content, stored[1].content);
  assert.equal(message.content, stored[1].content);
  assert.deepEqual(page.shown, stored.map(({ content }) => content));
  assert.deepEqual(page.errors, []);
});

test("the answer grows word by word", limits, async (t) => {
  const page = await openChat(t, await newChat());
  await page.send("Hello");
  await page.answerBegins();
  const texts = new Set();
  await page.until("the answer is whole", ({ status }) => {
    texts.add(page.lastMessage.content);
    return status === "ready";
  });
  assert.ok(texts.size > 5, `the answer came in ${texts.size} pieces`);
  for (const text of texts) assert.ok(page.lastMessage.content.startsWith(text), text);
});

test("the ids on the page are those of the history", limits, async (t) => {
  const chat = await newChat();
  const page = await openChat(t, chat);
  await page.send("Hello");
  await page.answerBegins();
  const idWhileStreaming = page.lastMessage.id;
  await page.until("the answer is whole", ({ status }) => status === "ready");

  const ids = (await history(chat)).map(({ id }) => id);
  assert.equal(ids.length, 2);
  assert.deepEqual(page.chat.messages.map(({ id }) => id), ids);
  assert.equal(idWhileStreaming, ids[1]);
  assert.equal(page.finished[0].message.id, ids[1]);
});

test("a chat goes on after the page was loaded again", limits, async (t) => {
  const chat = await newChat();
  const first = await openChat(t, chat);
  await first.turn(() => first.send("Hello"));
  const before = await history(chat);
  first.close();

  const second = await openChat(t, chat);
  assert.deepEqual(second.shown, before.map(({ content }) => content));
  await second.turn(() => second.send("And again"));

  const after = await history(chat);
  assert.deepEqual(after.map(({ role }) => role), ["user", "assistant", "user", "assistant"]);
  assert.deepEqual(after.slice(0, 2), before);
  assert.equal(after[2].content, "And again");
  assert.match(after[3].content, /Message 2 of this chat said:\n\n> And again\n/);
  assert.deepEqual(second.chat.messages.map(({ id }) => id), after.map(({ id }) => id));
  assert.deepEqual(second.shown, after.map(({ content }) => content));
});
