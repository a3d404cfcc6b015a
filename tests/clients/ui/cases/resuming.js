import assert from "node:assert/strict";
import { openChat } from "../chat_page.js";
import { held, history, newChat, release, scripted } from "../servers.js";

/** The ways in which apps set their transport up, with the path on which each resumes. */
const RESUMES = {
  messages: ({ path }, page) => `${path}/messages/${page.chat.id}/stream`,
  chats: ({ path }) => `${path}/stream`,
};

export const resuming = {
  async "a page that comes back shows the whole answer once (api: …/messages)"(t, sdk) {
    await comesBack(t, sdk, "messages");
  },

  async "a page that comes back shows the whole answer once (api: …/chats)"(t, sdk) {
    await comesBack(t, sdk, "chats");
  },

  async "a page that finds nothing to resume stays quiet (api: …/messages)"(t, sdk) {
    await staysQuiet(t, sdk, "messages");
  },

  async "a page that finds nothing to resume stays quiet (api: …/chats)"(t, sdk) {
    await staysQuiet(t, sdk, "chats");
  },

  async "two pages show the same answer as it comes"(t, sdk) {
    const chat = await newChat(scripted);
    const first = await openChat(t, sdk, chat);
    first.chat.sendMessage({ text: held(chat) });
    await first.answerSays("One half");
    const second = await openChat(t, sdk, chat, { resume: true });
    await second.answerSays("One half");
    assert.deepEqual([first.chat.status, second.chat.status], ["streaming", "streaming"]);
    await release(chat);
    await Promise.all([first.rests(), second.rests()]);
    const stored = await history(chat);
    assert.deepEqual(first.messages, stored);
    assert.deepEqual(second.messages, stored);
    assert.equal(stored.length, 2);
  },
};

async function comesBack(t, sdk, through) {
  const chat = await newChat(scripted);
  const first = await openChat(t, sdk, chat, { through });
  first.chat.sendMessage({ text: held(chat) });
  await first.answerSays("One half");
  const { id } = first.chat.messages[1];
  first.leave();

  const second = await openChat(t, sdk, chat, { through, resume: true });
  assert.equal(second.chat.messages[0].role, "user");
  await second.answerSays("One half");
  assert.equal(second.lastText, "One half");
  assert.equal(second.chat.messages[1].id, id);
  await release(chat);
  await second.rests();
  assert.equal(second.lastText, "One half and the other.");
  assert.deepEqual(second.errors, []);
  assert.deepEqual(second.messages, await history(chat));
  assert.equal(second.chat.messages.length, 2);
  const pathname = RESUMES[through](chat, second);
  assert.deepEqual(second.requests, [{ method: "GET", pathname, status: 200 }]);
}

async function staysQuiet(t, sdk, through) {
  const chat = await newChat(scripted);
  for (const count of [0, 2]) {
    const page = await openChat(t, sdk, chat, { through, resume: true });
    await page.triedToResume();
    const pathname = RESUMES[through](chat, page);
    assert.deepEqual(page.requests, [{ method: "GET", pathname, status: 204 }]);
    assert.deepEqual(page.errors, []);
    assert.equal(page.chat.error, undefined);
    assert.equal(page.chat.messages.length, count);
    await page.say("Hello");
    assert.deepEqual(page.messages, await history(chat));
  }
}
