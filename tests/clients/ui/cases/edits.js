import assert from "node:assert/strict";
import { openChat, textOf } from "../chat_page.js";
import { history, newChat, scripted } from "../servers.js";

export const edits = {
  async "a regenerated answer takes the place of the first"(t, sdk) {
    const { chat, page } = await answered(t, sdk, "Hello");
    const [question, firstAnswer] = await history(chat);
    await page.turn(() => page.chat.regenerate());

    const stored = await history(chat);
    assert.deepEqual(stored.map(textOf), ["Hello", "Turn 1"]);
    assert.deepEqual(stored[0], question);
    assert.notEqual(stored[1].id, firstAnswer.id);
    await sameAsOnPage(page, stored, sdk);
  },

  async "an earlier answer is regenerated, and what came after it is cut off"(t, sdk) {
    const { chat, page } = await answered(t, sdk, "Hello", "And again");
    const [question, firstAnswer] = await history(chat);
    await page.turn(() => page.chat.regenerate({ messageId: firstAnswer.id }));

    const stored = await history(chat);
    assert.deepEqual(stored.map(textOf), ["Hello", "Turn 1"]);
    assert.equal(stored[0].id, question.id);
    assert.notEqual(stored[1].id, firstAnswer.id);
    await sameAsOnPage(page, stored, sdk);
  },

  async "an edit cuts off what came after it"(t, sdk) {
    const { chat, page } = await answered(t, sdk, "Hello", "And again");
    const [question, firstAnswer] = await history(chat);
    await page.turn(() => edit(page, question, "Good evening"));

    const stored = await history(chat);
    assert.deepEqual(stored.map(textOf), ["Good evening", "Turn 1"]);
    assert.equal(stored[0].id, question.id);
    assert.notEqual(stored[1].id, firstAnswer.id);
    await sameAsOnPage(page, stored, sdk);
  },

  async "an edit of a later message keeps what came before it"(t, sdk) {
    const { chat, page } = await answered(t, sdk, "Hello", "And again");
    const before = await history(chat);
    await page.turn(() => edit(page, before[2], "Good evening"));

    const stored = await history(chat);
    assert.deepEqual(stored.map(textOf), ["Hello", "Turn 1", "Good evening", "Turn 2"]);
    assert.deepEqual(stored.slice(0, 2), before.slice(0, 2));
    assert.equal(stored[2].id, before[2].id);
    await sameAsOnPage(page, stored, sdk);
  },

  async "a page with an edited chat goes on after a reload"(t, sdk) {
    const { chat, page } = await answered(t, sdk, "Hello");
    await page.turn(() => edit(page, page.chat.messages[0], "Good evening"));
    const second = await openChat(t, sdk, chat);
    await second.say("And again");

    const stored = await history(chat);
    assert.deepEqual(stored.map(textOf), ["Good evening", "Turn 1", "And again", "Turn 2"]);
    await sameAsOnPage(second, stored, sdk);
  },
};

/** A page of a new chat in which each of the texts has its answer. */
async function answered(t, sdk, ...texts) {
  const chat = await newChat(scripted);
  const page = await openChat(t, sdk, chat);
  for (const text of texts) await page.say(text);
  return { chat, page };
}

function edit(page, { id }, text) {
  page.chat.sendMessage({ text, messageId: id });
}

/** Metadata aside: only the history knows of other branches. */
async function sameAsOnPage(page, stored, sdk) {
  assert.equal(page.chat.status, "ready");
  const summary = ({ id, role, parts }) => ({ id, role, parts });
  assert.deepEqual(page.messages.map(summary), stored.map(summary));
  await sdk.validateUIMessages({ messages: stored });
}
