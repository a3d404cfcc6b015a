import assert from "node:assert/strict";
import { openChat } from "../chat_page.js";
import { demo, history, newChat, scripted } from "../servers.js";

/** A transparent pixel. */
const PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk" +
  "YPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==";

export const parts = {
  async "every kind of part is the same live, in the history and after a reload"(t, sdk) {
    const chat = await newChat(demo);
    const page = await openChat(t, sdk, chat);
    await page.say("everything");

    const stored = await history(chat);
    assert.deepEqual(page.messages, stored);
    const [step, reasoning, tool, next, text, source, file, ...more] = stored[1].parts;
    for (const part of [step, next]) assert.deepEqual(part, { type: "step-start" });
    assert.match(reasoning.text, /^The question has 10 characters\./);
    assert.deepEqual([reasoning.type, reasoning.state], ["reasoning", "done"]);
    assert.deepEqual(tool, {
      type: "dynamic-tool",
      toolName: "demo__count_words",
      toolCallId: tool.toolCallId,
      state: "output-available",
      input: { text: "everything" },
      output: { words: 1 },
    });
    assert.deepEqual([text.type, text.state], ["text", "done"]);
    assert.deepEqual(source, {
      type: "source-url",
      sourceId: source.sourceId,
      url: "https://example.com/parley",
      title: "An example of a source",
    });
    assert.deepEqual(file, { type: "file", mediaType: "image/png", url: file.url });
    assert.match(file.url, /^data:image\/png;base64,iVBORw0KGgo/);
    assert.deepEqual(more, []);

    const second = await openChat(t, sdk, chat);
    assert.deepEqual(second.messages, page.messages);
    await aModelTakes(stored, sdk);
  },

  async "an attachment and metadata stay with their message"(t, sdk) {
    const chat = await newChat(scripted);
    const page = await openChat(t, sdk, chat);
    const attached = { type: "file", filename: "pixel.png", mediaType: "image/png", url: PIXEL };
    await page.turn(() => {
      page.chat.sendMessage({
        text: "Look at this",
        files: [attached],
        metadata: { mood: "calm" },
      });
    });
    const stored = await history(chat);
    assert.deepEqual(page.messages, stored);
    assert.deepEqual(stored[0].metadata, { mood: "calm" });
    assert.deepEqual(stored[0].parts, [attached, { type: "text", text: "Look at this" }]);
  },
};

/** A server with this SDK finds the messages valid, and can send them to a model. */
async function aModelTakes(messages, sdk) {
  const valid = await sdk.validateUIMessages({ messages });
  assert.deepEqual(valid, messages);
  const [question, ...answer] = await sdk.convertToModelMessages(valid);
  assert.deepEqual(question, { role: "user", content: [{ type: "text", text: "everything" }] });
  const kinds = answer.map(({ content }) => content.map(({ type }) => type));
  assert.deepEqual(kinds, [["reasoning", "tool-call"], ["tool-result"], ["text", "file"]]);
}
