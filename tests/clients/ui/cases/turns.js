import assert from "node:assert/strict";
import { asStored, openChat, textOf } from "../chat_page.js";
import { demo, history, newChat, scripted } from "../servers.js";

export const turns = {
  async "an answer streams onto the page and is what the history holds"(t, sdk) {
    const chat = await newChat(demo);
    const page = await openChat(t, sdk, chat);
    const texts = new Set();
    const ids = new Set();
    page.watch(({ role, id }) => {
      if (role !== "assistant") return;
      texts.add(page.lastText);
      ids.add(id);
    });
    await page.say("Hello");

    assert.deepEqual(page.statuses, ["ready", "submitted", "streaming", "ready"]);
    assert.deepEqual(page.errors, []);
    assert.equal(page.finished.length, 1);
    const { message, finishReason, isAbort, isDisconnect, isError } = page.finished[0];
    assert.equal(finishReason, "stop");
    assert.deepEqual([isAbort, isDisconnect, isError], [false, false, false]);

    const stored = await history(chat);
    assert.deepEqual(page.messages, stored);
    assert.deepEqual(asStored(message), stored[1]);
    assert.deepEqual(stored.map(({ role }) => role), ["user", "assistant"]);
    assert.match(textOf(stored[1]), /Message 1 of this chat said:\n\n> Hello\n/);
    assert.deepEqual(page.shown, stored.map(textOf));
    const { totalUsage, model } = stored[1].metadata;
    assert.equal(model, "demo");
    assert.ok(totalUsage.inputTokens > 0 && totalUsage.outputTokens > 0);
    assert.equal(totalUsage.totalTokens, totalUsage.inputTokens + totalUsage.outputTokens);

    assert.ok(texts.size > 1, "the answer came as a whole");
    for (const text of texts) assert.ok(textOf(stored[1]).startsWith(text), text);
    assert.deepEqual([...ids], [stored[1].id]);
  },

  async "the SDK's own body works turn after turn, and after a reload"(t, sdk) {
    const chat = await newChat(scripted);
    const page = await openChat(t, sdk, chat);
    await page.say("Hello");
    await page.say("And again");
    const before = await history(chat);
    assert.deepEqual(before.map(textOf), ["Hello", "Turn 1", "And again", "Turn 2"]);
    assert.deepEqual(page.messages, before);
    page.leave();

    const second = await openChat(t, sdk, chat);
    assert.deepEqual(second.shown, before.map(textOf));
    await second.say("Once more");
    const after = await history(chat);
    assert.deepEqual(after.slice(0, 4), before);
    assert.equal(textOf(after[5]), "Turn 3");
    assert.deepEqual(second.messages, after);
  },

  async "a body with the last message alone works turn after turn"(t, sdk) {
    const chat = await newChat(scripted);
    const page = await openChat(t, sdk, chat, { through: "chats" });
    await page.say("Hello");
    await page.say("And again");
    const stored = await history(chat);
    assert.deepEqual(stored.map(textOf), ["Hello", "Turn 1", "And again", "Turn 2"]);
    assert.deepEqual(page.messages, stored);
  },
};
