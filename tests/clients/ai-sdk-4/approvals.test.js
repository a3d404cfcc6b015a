/** A call that waits for a person's yes: AI SDK 4 has no part for it, and shows an open call. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openChat } from "./chat_page.js";
import { answerApproval, approvals, history, newChat } from "./parley.js";

const limits = { timeout: 60_000 };

const stateOf = ({ parts }) =>
  parts.find(({ type }) => type === "tool-invocation").toolInvocation.state;

for (const approved of [true, false]) {
  test(`an open call is ${approved ? "approved" : "denied"} by the route`, limits, async (t) => {
    const chat = await newChat();
    const page = await openChat(t, chat);
    await page.turn(() => page.send("An approval, please"));
    assert.equal(stateOf(page.lastMessage), "call");
    assert.equal(stateOf((await history(chat))[1]), "call");

    const [{ id, tool }] = await approvals(chat);
    assert.equal(tool, "demo__send_postcard");
    await answerApproval(chat, id, { approved });
    const stored = await history(chat);
    assert.equal(stored.length, 2);
    assert.equal(stateOf(stored[1]), "result");
    const { result } = stored[1].toolInvocations[0];
    assert.match(JSON.stringify(result), approved ? /Sent, with 3 words/ : /denied/);

    const second = await openChat(t, chat);
    assert.equal(second.lastMessage.content, stored[1].content);
    assert.equal(stateOf(second.lastMessage), "result");
  });
}
