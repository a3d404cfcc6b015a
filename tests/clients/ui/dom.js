// React DOM looks for a browser when it is imported, so this has to be imported before it.
import { JSDOM } from "jsdom";

const { window } = new JSDOM("<!doctype html><body></body>", {
  url: "http://app.test/",
  // SWR, which belongs to useChat, waits for animation frames.
  pretendToBeVisual: true,
});

// `fetch` and `AbortController` stay Node's: the requests are real.
const browser = { window, document: window.document, navigator: window.navigator };
for (const [name, value] of Object.entries(browser)) {
  // Newer Nodes have a `navigator` that takes no assignment.
  Object.defineProperty(globalThis, name, { value, configurable: true });
}

export { window };
