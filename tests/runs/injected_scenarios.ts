/** What clients do with a chat while one call behind it goes wrong. */
import { TOKENS } from "../kit/parley.ts";
import type { Scenario, Trial } from "./injected_kit.ts";

const TOOLS = [{ name: "where", parameters: { type: "object", properties: {} } }];

/** Every scenario takes what comes: whether the server gets over it is looked at afterwards. */
export const SCENARIOS: readonly Scenario[] = [
  { name: "a send", play: ({ send }) => send("Hello") },
  {
    name: "a send with a file",
    async prepare({ scripted: { server }, chat }) {
      const response = await fetch(`${server.url}/api/v2/chats/${chat}/files`, {
        method: "POST",
        headers: { "coder-session-token": TOKENS.alice },
        body: "some text",
      });
      return await response.json();
    },
    play: ({ send }, { url }) =>
      send("", {
        message: {
          role: "user",
          parts: [
            { type: "text", text: "Look" },
            { type: "file", mediaType: "image/png", url },
          ],
        },
      }),
  },
  {
    name: "an upload",
    async play({ ask, chat }) {
      await ask("POST", `/api/v2/chats/${chat}/files`, { body: "some text" });
    },
  },
  {
    name: "a queued send",
    async play({ send, asked, held }) {
      const first = send("hold on");
      await asked("hold on", first);
      const queued = send("next", { busy: "queue" });
      await queued.taken;
      held.open();
      await Promise.all([first, queued]);
    },
  },
  {
    name: "a send that interrupts",
    async play({ send, asked, held }) {
      const first = send("hold on");
      await asked("hold on", first);
      const urgent = send("at once", { busy: "interrupt" });
      await urgent.taken;
      held.open();
      await Promise.all([first, urgent]);
    },
  },
  {
    name: "a repeat with its key",
    async play({ send, asked, held }) {
      const key = { "idempotency-key": "k" };
      const first = send("hold on", {}, key);
      await asked("hold on", first);
      const repeat = send("hold on", {}, key);
      await repeat.taken;
      held.open();
      await Promise.all([first, repeat]);
      await send("hold on", {}, key);
    },
  },
  {
    name: "a repeat without its key",
    async play({ send, asked, held }) {
      const extra = { message: { id: "m-1", role: "user", content: "hold on" } };
      const waits = { message: { id: "m-2", role: "user", content: "next" }, busy: "queue" };
      const first = send("", extra);
      await asked("hold on", first);
      const sends = [
        send("", extra, { "idempotency-key": "a" }),
        send("", waits),
        send("", waits, { "idempotency-key": "b" }),
      ];
      for (const { taken } of sends) await taken;
      held.open();
      await Promise.all([first, ...sends]);
    },
  },
  {
    name: "a first message",
    untitled: true,
    async play({ send, called }) {
      const { status } = await send("Hello");
      // Whatever becomes of the model's title, the chat has one in the end.
      if (status === 200) await called("chats.nameOnce");
    },
  },
  {
    name: "a queue that is held",
    async play({ send, asked, held, ask, chat }) {
      const first = send("hold on");
      await asked("hold on", first);
      const queued = send("next", { busy: "queue" });
      await queued.taken;
      await ask("POST", `/api/v2/chats/${chat}/stop`);
      held.open();
      await ask("POST", `/api/v2/chats/${chat}/queue/continue`);
      // Whatever went wrong, another send lets the queue go on.
      await send("and then", { busy: "queue" });
      await Promise.all([first, queued]);
    },
  },
  {
    name: "a stop",
    async play({ send, asked, held, ask, chat }) {
      const first = send("hold on");
      await asked("hold on", first);
      await ask("POST", `/api/v2/chats/${chat}/stop`);
      held.open();
      await first;
    },
  },
  {
    name: "an answer that goes on with its tool's result",
    async play({ send }) {
      const { body } = await send("tool", { tools: TOOLS });
      const [, id] = /^f:{"messageId":"([^"]+)"/m.exec(body) ?? [];
      if (id === undefined) return;
      const part = {
        type: "tool-where",
        toolCallId: "call_1",
        state: "output-available",
        output: 1,
      };
      await send("", { message: { id, role: "assistant", parts: [part] }, tools: TOOLS });
    },
  },
  { name: "a tool of this server that only reads", play: ({ send }) => send("see") },
  {
    name: "calls of this server's tools that are approved one after the other",
    async play(trial) {
      await trial.send("see, act, also");
      for (const { id } of await approvals(trial)) await approve(trial, id);
      await trial.ask("GET", `/api/v2/chats/${trial.chat}/stream`);
    },
  },
  {
    name: "an answer that comes back with an approval",
    async play(trial) {
      const { body } = await trial.send("act");
      const [, id] = /^f:{"messageId":"([^"]+)"/m.exec(body) ?? [];
      const [approval] = await approvals(trial);
      if (id === undefined || !approval) return;
      const part = {
        type: "dynamic-tool",
        toolName: "test__act",
        toolCallId: "call_1",
        state: "approval-responded",
        input: {},
        approval: { id: approval.id, approved: true },
      };
      const message = { id, role: "assistant", parts: [part] };
      await trial.send("", { message });
      await trial.send("", { message });
    },
  },
  {
    name: "a provider that fails at first",
    play: ({ send }) => send("retry"),
  },
  {
    name: "readers",
    async play({ send, asked, held, ask, chat }) {
      const path = `/api/v2/chats/${chat}`;
      const first = send("hold on");
      await asked("hold on", first);
      const joined = ask("GET", `${path}/stream`);
      await joined.taken;
      await ask("GET", `${path}/messages?include=live`);
      held.open();
      const run = (await first).headers.get("parley-run-id");
      await Promise.all([
        joined,
        ask("GET", `${path}/stream?run=${run}&after=1`),
        ask("GET", `${path}/messages`),
        ask("GET", `${path}/queue`),
      ]);
    },
  },
  {
    name: "a deletion",
    deletes: true,
    async play({ send, asked, held, ask, chat }) {
      const first = send("hold on");
      await asked("hold on", first);
      const queued = send("next", { busy: "queue" });
      await queued.taken;
      await ask("DELETE", `/api/v2/chats/${chat}`);
      held.open();
      await Promise.all([first, queued]);
    },
  },
];

/** The calls of the chat that wait. */
async function approvals({ ask, chat }: Trial): Promise<{ id: string }[]> {
  const { status, body } = await ask("GET", `/api/v2/approvals?chat=${chat}`);
  return status === 200 ? JSON.parse(body).approvals : [];
}

/** Says yes, and once more, as whoever got no answer. */
async function approve({ ask }: Trial, id: string): Promise<void> {
  for (let times = 0; times < 2; times++) {
    await ask("POST", `/api/v2/approvals/${id}`, { body: { approved: true } });
  }
}
