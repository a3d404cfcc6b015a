/** Tools that the client runs. */
import assert from "node:assert/strict";
import { openChat, textOf } from "../chat_page.js";
import { held, history, newChat, release, scripted } from "../servers.js";

const TOOLS = ["where", "when"].map((name) => ({ name, inputSchema: { type: "object" } }));
const OUTPUTS = { where: { at: "home" }, when: "now" };
const WHERE = {
  type: "tool-where",
  toolCallId: "call-where",
  state: "output-available",
  input: { exact: true },
  output: OUTPUTS.where,
};
const WHEN = {
  type: "tool-when",
  toolCallId: "call-when",
  state: "output-available",
  input: {},
  output: OUTPUTS.when,
};
const STEP = { type: "step-start" };

export const tools = {
  async "a tool runs as it is called, and the same answer goes on"(t, sdk) {
    const { chat, page, calls } = await openWithTools(t, sdk);
    page.chat.sendMessage({ text: "where" });
    await sameAnswer(page, chat, [STEP, WHERE, STEP, said('Results: {"at":"home"}')]);
    assert.deepEqual(calls, [{ toolCallId: "call-where", toolName: "where", input: WHERE.input }]);
    assert.equal(page.requests.length, 2);

    await page.say("Hello");
    const stored = await history(chat);
    assert.deepEqual(page.messages, stored);
    assert.deepEqual(stored.map(textOf).slice(2), ["Hello", "Turn 2"]);
    await sdk.convertToModelMessages(await sdk.validateUIMessages({ messages: stored }));
  },

  async "a person gives the result of a tool, behind text"(t, sdk) {
    const { chat, page } = await openWithTools(t, sdk, { onToolCall: undefined });
    await page.say("say where");
    const open = { ...WHERE, state: "input-available" };
    delete open.output;
    const before = await history(chat);
    assert.deepEqual(before[1].parts, [STEP, said("Let me see."), open]);
    assert.deepEqual(page.messages, before);

    addOutput(page.chat, "where", "call-where");
    await sameAnswer(page, chat, [STEP, said("Let me see."), WHERE, STEP, anything]);
  },

  async "the result of a tool is given after a reload"(t, sdk) {
    const { chat, page } = await openWithTools(t, sdk, { onToolCall: undefined });
    await page.say("where");
    page.leave();
    const second = await openTools(t, sdk, chat, { onToolCall: undefined, resume: true });
    await second.triedToResume();
    addOutput(second.chat, "where", "call-where");
    await sameAnswer(second, chat, [STEP, WHERE, STEP, said('Results: {"at":"home"}')]);
  },

  async "two tools of one step run before the answer goes on"(t, sdk) {
    const { chat, page, calls } = await openWithTools(t, sdk);
    page.chat.sendMessage({ text: "where and when" });
    await sameAnswer(page, chat, [STEP, WHERE, WHEN, STEP, said('Results: {"at":"home"} now')]);
    assert.equal(calls.length, 2);
    assert.equal(page.requests.length, 2);
  },

  async "a tool after a tool: one answer in three steps"(t, sdk) {
    const { chat, page } = await openWithTools(t, sdk);
    page.chat.sendMessage({ text: "where, then when" });
    const results = said('Results: {"at":"home"} now');
    await sameAnswer(page, chat, [STEP, WHERE, STEP, said("And when?"), WHEN, STEP, results]);
    assert.equal(page.requests.length, 3);
  },

  async "a tool that fails says so to the model"(t, sdk) {
    const onToolCall = ({ toolName, toolCallId }, chat) => {
      const failure = { state: "output-error", errorText: "no signal" };
      chat.addToolOutput({ tool: toolName, toolCallId, ...failure });
    };
    const { chat, page } = await openWithTools(t, sdk, { onToolCall });
    page.chat.sendMessage({ text: "where" });
    const failed = { ...WHERE, state: "output-error", errorText: "no signal" };
    delete failed.output;
    await sameAnswer(page, chat, [STEP, failed, STEP, anything]);
    assert.match(page.lastText, /no signal/);
  },

  async "input that is no JSON is an error that the model is told of"(t, sdk) {
    const { chat, page, calls } = await openWithTools(t, sdk);
    page.chat.sendMessage({ text: "where, badly" });
    await page.until(
      "the answer is whole",
      ({ status, messages }) =>
        status === "error" || status === "ready" && messages[1]?.parts.at(-1).type === "text",
    );
    assert.deepEqual([calls, page.errors], [[], []]);
    const stored = await history(chat);
    assert.equal(stored[1].parts[1].state, "output-error");
    assert.deepEqual(page.messages, stored);
  },

  async "a page that comes back while the answer goes on has the tool's part too"(t, sdk) {
    const { chat, page } = await openWithTools(t, sdk);
    page.chat.sendMessage({ text: `where, ${held(chat)}` });
    await page.answerSays("One half");
    const { id } = page.chat.messages[1];
    page.leave();
    const second = await openTools(t, sdk, chat, { resume: true });
    await second.answerSays("One half");
    assert.equal(second.lastText, "One half");
    assert.equal(second.chat.messages[1].id, id);
    await release(chat);
    await sameAnswer(second, chat, [STEP, WHERE, STEP, anything, said("One half and the other.")]);
  },
};

const anything = Symbol("a part that does not matter");

async function openWithTools(t, sdk, options = {}) {
  const calls = [];
  const onToolCall = ({ toolCallId, toolName, input }, chat) => {
    calls.push({ toolCallId, toolName, input });
    addOutput(chat, toolName, toolCallId);
  };
  const chat = await newChat(scripted);
  return { chat, calls, page: await openTools(t, sdk, chat, { onToolCall, ...options }) };
}

function openTools(t, sdk, chat, options) {
  return openChat(t, sdk, chat, {
    body: { tools: TOOLS },
    sendAutomaticallyWhen: sdk.lastAssistantMessageIsCompleteWithToolCalls,
    ...options,
  });
}

function addOutput(chat, tool, toolCallId) {
  chat.addToolOutput({ tool, toolCallId, output: OUTPUTS[tool] });
}

function stepsIn(parts) {
  return parts.filter(({ type }) => type === "step-start").length;
}

function said(text) {
  return { type: "text", text, state: "done" };
}

/** The answer is there once a text ends it, has these parts, and is what the history holds. */
async function sameAnswer(page, chat, parts) {
  await page.until("the answer is whole", ({ status, messages }) => {
    const shown = messages.at(-1)?.parts ?? [];
    const whole = stepsIn(shown) === stepsIn(parts) && shown.at(-1).type === "text";
    return status === "error" || status === "ready" && whole;
  });
  assert.deepEqual(page.errors, []);
  const stored = await history(chat);
  const shown = page.messages.at(-1).parts.map((part, index) =>
    parts[index] === anything ? anything : part
  );
  assert.deepEqual(shown, parts);
  assert.deepEqual(page.messages, stored);
  assert.equal(stored.length, 2);
}
