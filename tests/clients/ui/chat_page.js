/** A page as an app would write it around useChat, and a person's hands and eyes on it. */
import { window } from "./dom.js";
import { createElement as h, useLayoutEffect } from "react";
import { createRoot } from "react-dom/client";
import { history } from "./servers.js";

/** How long a page may take to show what a test waits for, in milliseconds. */
const PATIENCE = 20_000;

/**
 * Opens the page of a chat in the test `t` with the AI SDK `sdk`, showing `messages`, by default
 * those of the history. `through` says how the app set its transport up; other options go to useChat.
 */
export async function openChat(t, sdk, chat, options = {}) {
  const { through = "messages", body, token, onToolCall, ...others } = options;
  const messages = options.messages ?? await history(chat);
  const page = new ChatPage(sdk, (fetch) => ({
    transport: transports[through](sdk, chat, {
      headers: { "Coder-Session-Token": token ?? chat.server.token },
      body,
      fetch,
    }),
    // Only the transport without a path to the chat needs the chat's own id.
    ...(through === "chats" && { id: chat.id }),
    ...(onToolCall && { onToolCall: ({ toolCall }) => onToolCall(toolCall, page.chat) }),
    ...others,
    messages,
  }));
  t.after(() => page.leave());
  await page.until("the page is there", () => true);
  return page;
}

const transports = {
  /** `api` alone is set: the body of requests and the path of resume are the SDK's own. */
  messages: ({ DefaultChatTransport }, { server, path }, options) =>
    new DefaultChatTransport({ api: `${server.url}${path}/messages`, ...options }),

  /** As the SDK's documentation sets resumable chats up: the last message is sent. */
  chats: ({ DefaultChatTransport }, { server: { url, model } }, { headers, ...options }) =>
    new DefaultChatTransport({
      ...options,
      api: `${url}/api/v2/chats`,
      headers: { ...headers, Accept: "text/event-stream" },
      prepareSendMessagesRequest: ({ api, id, messages, body }) => ({
        api: `${api}/${id}/messages`,
        body: { message: messages.at(-1), model, ...body },
      }),
    }),
};

class ChatPage {
  /** What useChat returned last. */
  chat;
  /** Every status that was on the page, in order. */
  statuses = [];
  /** What `onFinish` and `onError` were called with. */
  finished = [];
  errors = [];
  /** The requests that were answered: method, path and status. */
  requests = [];
  #element = window.document.body.appendChild(window.document.createElement("main"));
  #root = createRoot(this.#element);
  #waiting = new Set();
  #watching = new Set();

  /** `optionsWith` makes useChat's options around a `fetch`. */
  constructor(sdk, optionsWith) {
    this.#root.render(h(Chat, {
      useChat: sdk.useChat,
      ...optionsWith((url, init) => this.#fetch(url, init)),
      onFinish: (end) => this.finished.push(end),
      onError: (error) => this.errors.push(error),
      onCommit: (chat) => this.#commit(chat),
    }));
  }

  /** The texts of the messages as the page shows them. */
  get shown() {
    return [...this.#element.querySelectorAll("article")].map(({ textContent }) => textContent);
  }

  /** The messages as the history should have them. */
  get messages() {
    return asStored(this.chat.messages);
  }

  /** The text of the last message. */
  get lastText() {
    const last = this.chat.messages.at(-1);
    return last ? textOf(last) : "";
  }

  /** Sends a text and waits until the answer ended or failed. */
  say(text) {
    return this.turn(() => this.chat.sendMessage({ text }));
  }

  /** Does what starts an answer, and waits until the answer ended or failed. */
  async turn(action) {
    const before = this.statuses.length;
    action();
    await this.until(
      "the turn is over",
      ({ status }) => this.statuses.length > before && (status === "ready" || status === "error"),
    );
  }

  /** Waits until the answer says that much. */
  async answerSays(text) {
    await this.#untilOrError(`the answer says "${text}"`, ({ messages }) => {
      return messages.at(-1)?.role === "assistant" && this.lastText.startsWith(text);
    });
  }

  /** Waits until nothing is going on. */
  async rests() {
    await this.#untilOrError("the page rests", ({ status }) => status === "ready");
  }

  /** Waits until the page has asked for a live answer, and shows what came of that. */
  async triedToResume() {
    await this.until("the page asked for the answer", () => this.requests.length > 0);
    await this.rests();
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

  /** Calls `look` with the last message of each state of the page. */
  watch(look) {
    this.#watching.add(look);
  }

  /** Closes the page: its connections end, and nothing else is said to the server. */
  leave() {
    this.chat?.stop();
    this.#root.unmount();
    this.#element.remove();
  }

  /** @throws {Error} what the page shows, if it shows an error. */
  async #untilOrError(what, reached) {
    await this.until(what, (chat) => chat.status === "error" || reached(chat));
    if (this.chat.status === "error") throw this.chat.error;
  }

  async #fetch(url, init = {}) {
    const response = await fetch(url, init);
    const { pathname } = new URL(url);
    const { method = "GET", signal } = init;
    this.requests.push({ method, pathname, status: response.status });
    this.#look();
    // React may show several states as one, and so never that the page waited.
    if (method === "POST") {
      await this.until("the page waits", ({ status }) => status === "submitted" || signal?.aborted);
    }
    return response;
  }

  #commit(chat) {
    this.chat = chat;
    if (this.statuses.at(-1) !== chat.status) this.statuses.push(chat.status);
    const last = chat.messages.at(-1);
    if (last) { for (const look of this.#watching) look(last); }
    this.#look();
  }

  #look() {
    for (const check of [...this.#waiting]) check();
  }
}

/** Messages of a client without that in which the versions of the SDK differ from one another. */
export function asStored(messages) {
  return JSON.parse(JSON.stringify(messages), (_key, value) => {
    // The newest ones keep the id that a block of reasoning has in the stream.
    if (value?.type === "reasoning") delete value.id;
    // All but the newest one have another word for input that is no JSON.
    if (value?.state === "output-error" && "rawInput" in value) {
      const { rawInput, ...part } = value;
      return { ...part, input: rawInput };
    }
    return value;
  });
}

function Chat({ useChat, onCommit, ...options }) {
  const chat = useChat(options);
  useLayoutEffect(() => onCommit(chat));
  return chat.messages.map((message) => h("article", { key: message.id }, textOf(message)));
}

/** The text of a message. */
export function textOf({ parts }) {
  return parts.map((part) => part.type === "text" ? part.text : "").join("");
}
