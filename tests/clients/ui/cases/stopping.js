import assert from "node:assert/strict";
import { openChat, textOf } from "../chat_page.js";
import { held, history, newChat, release, scripted, settledHistory, stopRun } from "../servers.js";

export const stopping = {
  async "a client that stops listening does not stop the answer"(t, sdk) {
    const { chat, page } = await halfAnswered(t, sdk);
    await page.turn(() => page.chat.stop());

    assert.deepEqual(page.statuses, ["ready", "submitted", "streaming", "ready"]);
    assert.deepEqual(page.errors, []);
    assert.equal(page.finished.length, 1);
    const { isAbort, isError } = page.finished[0];
    assert.deepEqual([isAbort, isError], [true, false]);
    assert.equal(page.lastText, "One half");
    assert.equal((await history(chat)).length, 1);

    await release(chat);
    const stored = await settledHistory(chat);
    assert.equal(textOf(stored[1]), "One half and the other.");
    assert.deepEqual(stored.map(({ id }) => id), page.chat.messages.map(({ id }) => id));

    await page.say("And again");
    const ids = (await history(chat)).map(({ id }) => id);
    assert.deepEqual(page.chat.messages.map(({ id }) => id), ids);
    assert.equal(page.lastText, "Turn 2");
  },

  async "a stop asked of the server ends the answer, which keeps what was said"(t, sdk) {
    const { chat, page } = await halfAnswered(t, sdk);
    const { stopped } = await stopRun(chat);
    assert.equal(stopped, true);
    await page.rests();

    assert.deepEqual(page.statuses, ["ready", "submitted", "streaming", "ready"]);
    assert.deepEqual(page.errors, []);
    const stored = await history(chat);
    assert.deepEqual(stored.map(textOf).slice(1), ["One half"]);
    assert.deepEqual(page.messages, stored);

    await page.say("And again");
    assert.equal((await history(chat)).length, 4);
    assert.equal(page.lastText, "Turn 2");
  },

  async "a page that leaves the stream sends again at once, as in the README"(t, sdk) {
    const { chat, page } = await halfAnswered(t, sdk, { body: { busy: "interrupt" } });
    await page.turn(() => page.chat.stop());
    await page.say("And again");

    assert.deepEqual(page.errors, []);
    const stored = await history(chat);
    assert.deepEqual(stored.map(textOf).slice(1), ["One half", "And again", "Turn 2"]);
    assert.deepEqual(stored.map(({ id }) => id), page.chat.messages.map(({ id }) => id));
  },
};

async function halfAnswered(t, sdk, options) {
  const chat = await newChat(scripted);
  const page = await openChat(t, sdk, chat, options);
  page.chat.sendMessage({ text: held(chat) });
  await page.answerSays("One half");
  return { chat, page };
}
