import assert from "node:assert/strict";
import { test } from "node:test";
import { openChat } from "./chat_page.js";
import { history, historyOf, newChat, stopAnswer } from "./parley.js";

const limits = { timeout: 60_000 };

/** A message that the demo model repeats, so that its answer takes a while. */
const LONG = "Hello ".repeat(80).trim();

test("a client that stops listening does not stop the answer", limits, async (t) => {
  const chat = await newChat();
  const page = await openChat(t, chat);
  await page.send(LONG);
  await page.answerBegins();
  await page.turn(() => page.chat.stop());

  assert.deepEqual(page.statuses, ["ready", "submitted", "streaming", "ready"]);
  assert.deepEqual(page.errors, []);
  assert.deepEqual(page.finished, []);
  const partial = page.lastMessage;

  await t.test("the chat is busy until the answer is whole", async (t) => {
    assert.deepEqual((await history(chat)).map(({ role }) => role), ["user"]);
    const other = await openChat(t, chat);
    await other.turn(() => other.send("Me too"));
    assert.equal(other.chat.status, "error");
    assert.match(other.chat.error.message, /The chat is busy/);
  });

  await t.test("the whole answer is stored, under the id that the page has", async () => {
    const stored = await historyOf(2, chat);
    assert.deepEqual(stored.map(({ role }) => role), ["user", "assistant"]);
    assert.equal(stored[1].id, partial.id);
    assert.ok(stored[1].content.startsWith(partial.content));
    assert.ok(stored[1].content.length > partial.content.length);
    assert.match(stored[1].content, /start Parley again\.\n$/);
  });

  await t.test("the page goes on with the next message", async () => {
    await page.turn(() => page.send("And again"));
    assert.equal(page.chat.status, "ready");
    const stored = await history(chat);
    assert.deepEqual(stored.map(({ id }) => id), page.chat.messages.map(({ id }) => id));
    assert.match(stored[3].content, /Message 2 of this chat said:\n\n> And again\n/);
  });
});

for (
  const [way, stop] of [
    ["leaves the stream", (page) => page.chat.stop()],
    ["asks the server to end the answer", (_, chat) => stopAnswer(chat)],
  ]
) {
  test(`a page that ${way} sends again at once, as in the README`, limits, async (t) => {
    const chat = await newChat();
    const page = await openChat(t, chat, { busy: "interrupt" });
    await page.send(LONG);
    await page.answerBegins();
    await page.turn(() => stop(page, chat));
    await page.turn(() => page.send("And again"));

    assert.deepEqual(page.errors, []);
    assert.equal(page.chat.status, "ready");
    const stored = await historyOf(4, chat);
    assert.deepEqual(stored.map(({ id }) => id), page.chat.messages.map(({ id }) => id));
    assert.ok(stored[1].content.startsWith(page.chat.messages[1].content));
    assert.ok(!/start Parley again\.\n$/.test(stored[1].content), "the answer was not stopped");
    assert.match(stored[3].content, /Message 2 of this chat said:\n\n> And again\n/);
  });
}
