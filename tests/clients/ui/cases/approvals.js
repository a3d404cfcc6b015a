/** Calls of the server's tools that wait for a person's yes: parts of AI SDK 6 and 7. */
import assert from "node:assert/strict";
import { openChat } from "../chat_page.js";
import { answerApproval, approvals, demo, history, newChat, settledHistory } from "../servers.js";

const ASKED = "An approval, please";

export const approving = {
  async "a yes on the page: the call runs, and the same answer goes on"(t, sdk) {
    if (!knowsApprovals(sdk)) return t.skip("it has no approvals");
    const { chat, page, part } = await openAsking(t, sdk);
    await page.chat.addToolApprovalResponse({ id: part.approval.id, approved: true });
    await answerIsWhole(page);
    const stored = await history(chat);
    assert.equal(stored.length, 2);
    assert.equal(stored[1].id, page.chat.messages[1].id);
    assert.deepEqual(statesOf(page.messages[1]), statesOf(stored[1]));
    assert.deepEqual(statesOf(stored[1]), ["step-start", "output-available", "step-start", "done"]);
    assert.match(stored[1].parts[1].output, /^Sent, with 3 words/);
    assert.deepEqual(page.errors, []);
    await sdk.convertToModelMessages(await sdk.validateUIMessages({ messages: stored }));
  },

  async "a no on the page: the call does not run, and the model is told"(t, sdk) {
    if (!knowsApprovals(sdk)) return t.skip("it has no approvals");
    const { chat, page, part } = await openAsking(t, sdk);
    const response = { id: part.approval.id, approved: false, reason: "too dear" };
    await page.chat.addToolApprovalResponse(response);
    await answerIsWhole(page);
    const stored = await history(chat);
    assert.deepEqual(statesOf(page.messages[1]), statesOf(stored[1]));
    assert.deepEqual(statesOf(stored[1]), ["step-start", "output-denied", "step-start", "done"]);
    assert.deepEqual(stored[1].parts[1].approval, response);
    await sdk.convertToModelMessages(await sdk.validateUIMessages({ messages: stored }));
  },

  async "a page that was loaded again can still say yes"(t, sdk) {
    if (!knowsApprovals(sdk)) return t.skip("it has no approvals");
    const { chat, page } = await openAsking(t, sdk);
    page.leave();
    const second = await openApproving(t, sdk, chat);
    const { approval } = second.chat.messages[1].parts[1];
    await second.chat.addToolApprovalResponse({ id: approval.id, approved: true });
    await answerIsWhole(second);
    const stored = await history(chat);
    assert.deepEqual(statesOf(stored[1]), ["step-start", "output-available", "step-start", "done"]);
  },

  async "a yes by the route: a page that is loaded then has the whole answer"(t, sdk) {
    const chat = await newChat(demo);
    const page = await openApproving(t, sdk, chat);
    await page.say(ASKED);
    page.leave();
    const [{ id }] = await approvals(chat);
    const { run } = await answerApproval(chat, id, { approved: true });
    assert.equal(run.chat_id, chat.id);
    const stored = await settledHistory(chat);
    const second = await openChat(t, sdk, chat);
    assert.deepEqual(second.messages, stored);
    assert.deepEqual(statesOf(stored[1]), ["step-start", "output-available", "step-start", "done"]);
    await sdk.convertToModelMessages(await sdk.validateUIMessages({ messages: stored }));
  },
};

function knowsApprovals(sdk) {
  return sdk.lastAssistantMessageIsCompleteWithApprovalResponses !== undefined;
}

function openApproving(t, sdk, chat) {
  return openChat(t, sdk, chat, {
    sendAutomaticallyWhen: sdk.lastAssistantMessageIsCompleteWithApprovalResponses,
  });
}

/** A page whose answer waits for a yes, with the call that does. */
async function openAsking(t, sdk) {
  const chat = await newChat(demo);
  const page = await openApproving(t, sdk, chat);
  await page.say(ASKED);
  assert.deepEqual(page.errors, []);
  assert.deepEqual(page.messages, await history(chat));
  const part = page.chat.messages[1].parts[1];
  assert.equal(part.state, "approval-requested");
  return { chat, page, part };
}

async function answerIsWhole(page) {
  await page.until(
    "the answer is whole",
    ({ status, messages }) =>
      status === "error" || status === "ready" && messages[1].parts.at(-1).type === "text",
  );
}

function statesOf({ parts }) {
  return parts.map(({ type, state }) => state ?? type);
}
