import assert from "node:assert/strict";
import { test } from "node:test";
import { openChat } from "./chat_page.js";
import { history, newChat } from "./parley.js";

const limits = { timeout: 60_000 };

test("a regenerated answer takes the place of the first", limits, async (t) => {
  const { chat, page } = await answered(t, "Hello");
  const [question, firstAnswer] = await history(chat);
  await page.turn(() => {
    page.chat.reload();
  });

  const stored = await history(chat);
  assert.equal(stored.length, 2);
  assert.deepEqual(stored[0], question);
  assert.notEqual(stored[1].id, firstAnswer.id);
  assert.match(stored[1].content, /Message 1 of this chat said:\n\n> Hello\n/);
  sameAsOnPage(page, stored);
});

test("an edited message is answered anew", limits, async (t) => {
  const { chat, page } = await answered(t, "Hello");
  const [question, firstAnswer] = page.chat.messages;
  await page.turn(() => edit(page, question, "Good evening"));

  const stored = await history(chat);
  assert.equal(stored.length, 2);
  assert.equal(stored[0].id, question.id);
  assert.equal(stored[0].content, "Good evening");
  assert.notEqual(stored[1].id, firstAnswer.id);
  assert.match(stored[1].content, /Message 1 of this chat said:\n\n> Good evening\n/);
  sameAsOnPage(page, stored);
});

test("an edit cuts off what came after it", limits, async (t) => {
  const { chat, page } = await answered(t, "Hello", "And again");
  assert.equal((await history(chat)).length, 4);
  await page.turn(() => edit(page, page.chat.messages[0], "Good evening"));

  const stored = await history(chat);
  assert.deepEqual(stored.map(({ role }) => role), ["user", "assistant"]);
  assert.match(stored[1].content, /Message 1 of this chat said:\n\n> Good evening\n/);
  sameAsOnPage(page, stored);
});

test("an edit of a later message keeps what came before it", limits, async (t) => {
  const { chat, page } = await answered(t, "Hello", "And again");
  const before = await history(chat);
  await page.turn(() => edit(page, page.chat.messages[2], "Good evening"));

  const stored = await history(chat);
  assert.equal(stored.length, 4);
  assert.deepEqual(stored.slice(0, 2), before.slice(0, 2));
  assert.equal(stored[2].id, before[2].id);
  assert.match(stored[3].content, /Message 2 of this chat said:\n\n> Good evening\n/);
  sameAsOnPage(page, stored);
});

/** A page of a new chat in which each of the texts has its answer. */
async function answered(t, ...texts) {
  const chat = await newChat();
  const page = await openChat(t, chat);
  for (const text of texts) await page.turn(() => page.send(text));
  return { chat, page };
}

/** What an app does for an edit: cut the list, change its last message, and ask for the answer. */
function edit(page, message, text) {
  const { messages, setMessages, reload } = page.chat;
  const at = messages.findIndex(({ id }) => id === message.id);
  setMessages([
    ...messages.slice(0, at),
    { ...message, content: text, parts: [{ type: "text", text }] },
  ]);
  reload();
}

function sameAsOnPage(page, stored) {
  assert.equal(page.chat.status, "ready");
  const summary = ({ id, role, content }) => ({ id, role, content });
  assert.deepEqual(page.chat.messages.map(summary), stored.map(summary));
}
