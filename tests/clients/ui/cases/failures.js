import assert from "node:assert/strict";
import { openChat, textOf } from "../chat_page.js";
import { history, newChat, scripted } from "../servers.js";

export const failures = {
  async "an unknown model is an error, and nothing is stored"(t, sdk) {
    const chat = await newChat(scripted);
    const page = await openChat(t, sdk, chat, { body: { model: "no-such-model" } });
    await page.say("Hello");

    assert.deepEqual(page.statuses, ["ready", "submitted", "error"]);
    assert.match(page.chat.error.message, /Model not found/);
    assert.deepEqual(page.errors, [page.chat.error]);
    assert.deepEqual(await history(chat), []);
  },

  async "a wrong token is an error, and nothing is stored"(t, sdk) {
    const chat = await newChat(scripted);
    const page = await openChat(t, sdk, chat, { token: "not-a-token" });
    await page.say("Hello");

    assert.deepEqual(page.statuses, ["ready", "submitted", "error"]);
    assert.equal(typeof JSON.parse(page.chat.error.message).message, "string");
    assert.deepEqual(await history(chat), []);
  },

  async "the page asks again after an error"(t, sdk) {
    const chat = await newChat(scripted);
    const failing = await openChat(t, sdk, chat, { body: { model: "no-such-model" } });
    await failing.say("Hello");
    const page = await openChat(t, sdk, chat, { messages: failing.chat.messages });
    await page.turn(() => page.chat.regenerate());

    assert.equal(page.chat.status, "ready");
    const stored = await history(chat);
    assert.deepEqual(page.messages, stored);
    assert.equal(stored[0].id, failing.chat.messages[0].id);
  },

  async "a provider that breaks off in the middle is an error with the server's words"(t, sdk) {
    await failsWith(t, sdk, "break off", /^The connection to the provider ".+" broke off\.$/);
  },

  async "a provider's error in the middle is an error with the server's words"(t, sdk) {
    await failsWith(t, sdk, "fail", /^The provider ".+" failed: out of order$/);
  },
};

async function failsWith(t, sdk, text, expected) {
  const chat = await newChat(scripted);
  const page = await openChat(t, sdk, chat);
  await page.say(text);

  assert.equal(page.chat.status, "error");
  assert.match(page.chat.error.message, expected);
  assert.deepEqual(page.errors, [page.chat.error]);
  assert.equal(page.lastText, "Half of it");
  const { isError, isDisconnect } = page.finished[0];
  assert.deepEqual([page.finished.length, isError, isDisconnect], [1, true, false]);
  const stored = await history(chat);
  assert.deepEqual(stored.map(textOf), [text, "Half of it"]);
  assert.deepEqual(stored.map(({ id }) => id), page.chat.messages.map(({ id }) => id));
}
