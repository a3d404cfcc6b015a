import assert from "node:assert/strict";
import { test } from "node:test";
import { convertToCoreMessages } from "ai";
import { openChat } from "./chat_page.js";
import { history, newChat } from "./parley.js";

const limits = { timeout: 60_000 };

/** A transparent pixel. */
const PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk" +
  "YPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";

test("every kind of part is the same live and in the history", limits, async (t) => {
  const chat = await newChat();
  const page = await openChat(t, chat);
  await page.turn(() => page.send("everything"));

  const live = comparable(page.chat.messages);
  assert.deepEqual(live, comparable(await history(chat)));
  const { parts, reasoning, toolInvocations } = live[1];
  assert.deepEqual(parts.map(({ type }) => type), [
    "step-start",
    "reasoning",
    "tool-invocation",
    "step-start",
    "text",
    "source",
    "file",
  ]);
  assert.match(reasoning, /^The question has 10 characters\./);
  assert.deepEqual(toolInvocations, [parts[2].toolInvocation]);
  assert.deepEqual(toolInvocations[0], {
    state: "result",
    step: 0,
    toolCallId: toolInvocations[0].toolCallId,
    toolName: "demo__count_words",
    args: { text: "everything" },
    result: { words: 1 },
  });
  assert.equal(parts[5].source.sourceType, "url");
  assert.equal(new URL(parts[5].source.url).protocol, "https:");
  assert.equal(parts[6].mimeType, "image/png");
  assert.equal(Buffer.from(parts[6].data, "base64").subarray(1, 4).toString(), "PNG");
});

test("a page that was loaded again shows the same parts", limits, async (t) => {
  const chat = await newChat();
  const first = await openChat(t, chat);
  await first.turn(() => first.send("everything"));
  const second = await openChat(t, chat);
  assert.deepEqual(comparable(second.chat.messages), comparable(first.chat.messages));
});

test("a server with AI SDK 4 can send the history to a model", limits, async (t) => {
  const chat = await newChat();
  const page = await openChat(t, chat);
  await page.turn(() => page.send("everything"));
  const [question, call, result, answer, ...more] = convertToCoreMessages(await history(chat));

  assert.deepEqual(question, { role: "user", content: [{ type: "text", text: "everything" }] });
  assert.deepEqual(call.content.map(({ type }) => type), ["reasoning", "tool-call"]);
  assert.deepEqual(result.content.map(({ type, result }) => ({ type, result })), [
    { type: "tool-result", result: { words: 1 } },
  ]);
  assert.deepEqual(answer.content.map(({ type }) => type), ["text", "file"]);
  assert.deepEqual(more, []);
});

test("thinking is asked for by the request", limits, async (t) => {
  for (const thinking of [true, false]) {
    const chat = await newChat();
    const page = await openChat(t, chat, { thinking });
    await page.turn(() => page.send("Hello"));
    assert.deepEqual(comparable(page.chat.messages), comparable(await history(chat)));
    const kinds = page.lastMessage.parts.map(({ type }) => type);
    assert.deepEqual(kinds, ["step-start", ...(thinking ? ["reasoning"] : []), "text"]);
  }
});

test("an attachment stays with its message", limits, async (t) => {
  const chat = await newChat();
  const page = await openChat(t, chat);
  const attachment = { name: "pixel.png", contentType: "image/png", url: PIXEL };
  await page.turn(() => {
    page.chat.append({
      role: "user",
      content: "Look at this",
      experimental_attachments: [attachment],
    });
  });
  const stored = await history(chat);
  assert.deepEqual(stored[0].experimental_attachments, [attachment]);
  assert.deepEqual(comparable(page.chat.messages), comparable(stored));
});

/** Messages without what only a client has, or what each side makes for itself. */
function comparable(messages) {
  return JSON.parse(JSON.stringify(messages)).map(({ revisionId, createdAt, ...message }) => {
    assert.ok(Number.isFinite(Date.parse(createdAt)), `createdAt is ${createdAt}`);
    return message;
  });
}
