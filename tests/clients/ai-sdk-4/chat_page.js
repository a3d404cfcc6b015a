/** A page as an app would write it around useChat, and a person's hands and eyes on it. */
import { window } from "./dom.js";
import { useChat } from "@ai-sdk/react";
import { createElement as h, useLayoutEffect } from "react";
import { createRoot } from "react-dom/client";
import * as parley from "./parley.js";

/** How long a page may take to show what a test waits for, in milliseconds. */
const PATIENCE = 30_000;

/** Opens the page of a chat in the test `t`, with the messages that its history has. */
export async function openChat(t, chat, { model = "demo", thinking = false, busy, token } = {}) {
  const page = new ChatPage({
    api: `${parley.url}/api/v2/chats/${chat}/messages`,
    headers: { "Coder-Session-Token": token ?? parley.token },
    initialMessages: await parley.history(chat),
    experimental_prepareRequestBody: ({ messages }) => ({
      message: messages.at(-1),
      model,
      thinking,
      busy,
    }),
  });
  t.after(() => page.close());
  await page.until("the page is there", ({ status }) => status === "ready");
  return page;
}

class ChatPage {
  /** What useChat returned last. */
  chat;
  /** Every status that was on the page, in order. */
  statuses = [];
  /** What `onFinish` and `onError` were called with. */
  finished = [];
  errors = [];
  #element = window.document.body.appendChild(window.document.createElement("main"));
  #root = createRoot(this.#element);
  #waiting = new Set();

  constructor(options) {
    this.#root.render(h(Chat, {
      ...options,
      onFinish: (message, { usage, finishReason }) =>
        this.finished.push({ message, usage, finishReason }),
      onError: (error) => this.errors.push(error),
      onCommit: (chat) => this.#commit(chat),
    }));
  }

  /** The texts of the messages as the page shows them. */
  get shown() {
    return [...this.#element.querySelectorAll("article")].map(({ textContent }) => textContent);
  }

  get lastMessage() {
    return this.chat.messages.at(-1);
  }

  /** Types a text and sends it. */
  async send(text) {
    const input = this.#element.querySelector("input");
    // React notices only what goes past its own setter.
    const { set } = Object.getOwnPropertyDescriptor(window.HTMLInputElement.prototype, "value");
    set.call(input, text);
    input.dispatchEvent(new window.Event("input", { bubbles: true }));
    await this.until("the text is typed", (chat) => chat.input === text);
    this.#element.querySelector("form").requestSubmit();
  }

  /** Does what starts an answer, and waits until the answer ended or failed. */
  async turn(action) {
    const before = this.statuses.length;
    await action();
    await this.until(
      "the turn is over",
      ({ status }) => this.statuses.length > before && (status === "ready" || status === "error"),
    );
  }

  /** Waits for the first words of an answer. */
  async answerBegins() {
    await this.until("the answer begins", ({ messages }) => {
      const last = messages.at(-1);
      return last?.role === "assistant" && last.content !== "";
    });
  }

  /** Resolves at the first state of the page for which `reached` holds. */
  until(what, reached) {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(check);
        const { status, error, messages } = this.chat ?? {};
        const state = JSON.stringify({ status, error: error?.message, messages });
        reject(new Error(`${what}: not so within ${PATIENCE} ms, but ${state}`));
      }, PATIENCE);
      const check = () => {
        if (!this.chat || !reached(this.chat)) return;
        clearTimeout(timer);
        this.#waiting.delete(check);
        resolve();
      };
      this.#waiting.add(check);
      check();
    });
  }

  close() {
    this.chat?.stop();
    this.#root.unmount();
    this.#element.remove();
  }

  #commit(chat) {
    this.chat = chat;
    if (this.statuses.at(-1) !== chat.status) this.statuses.push(chat.status);
    for (const check of [...this.#waiting]) check();
  }
}

function Chat({ onCommit, ...options }) {
  const chat = useChat(options);
  useLayoutEffect(() => onCommit(chat));
  return [
    ...chat.messages.map(({ id, content }) => h("article", { key: id }, content)),
    h(
      "form",
      { key: "form", onSubmit: chat.handleSubmit },
      h("input", { value: chat.input, onChange: chat.handleInputChange }),
    ),
  ];
}
