import assert from "node:assert/strict";
import { test } from "node:test";
import { openChat } from "./chat_page.js";
import { history, newChat } from "./parley.js";

const limits = { timeout: 60_000 };

test("an unknown model is an error, and nothing is stored", limits, async (t) => {
  const chat = await newChat();
  const page = await openChat(t, chat, { model: "no-such-model" });
  await page.turn(() => page.send("Hello"));

  assert.deepEqual(page.statuses, ["ready", "submitted", "error"]);
  assert.match(page.chat.error.message, /Model not found/);
  assert.deepEqual(page.errors, [page.chat.error]);
  assert.deepEqual(page.finished, []);
  assert.deepEqual(await history(chat), []);
});

test("a wrong token is an error, and nothing is stored", limits, async (t) => {
  const chat = await newChat();
  const page = await openChat(t, chat, { token: "not-a-token" });
  await page.turn(() => page.send("Hello"));

  assert.deepEqual(page.statuses, ["ready", "submitted", "error"]);
  assert.equal(typeof JSON.parse(page.chat.error.message).message, "string");
  assert.deepEqual(page.finished, []);
  assert.deepEqual(await history(chat), []);
});

test("the page can send again after an error", limits, async (t) => {
  const chat = await newChat();
  const failing = await openChat(t, chat, { model: "no-such-model" });
  await failing.turn(() => failing.send("Hello"));
  // A retry sends the message that failed once more, with the same id.
  const page = await openChat(t, chat);
  page.chat.setMessages(failing.chat.messages);
  await page.turn(() => {
    page.chat.reload();
  });

  assert.equal(page.chat.status, "ready");
  const stored = await history(chat);
  assert.deepEqual(stored.map(({ content }) => content), page.shown);
  assert.equal(stored[0].id, failing.chat.messages[0].id);
});
