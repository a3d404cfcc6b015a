/** Two Parleys on one database, and the provider of both. */
import type { Overrides } from "../../src/app.ts";
import type { AskOptions } from "../kit/ask.ts";
import { startParley, type TestServer } from "../kit/parley.ts";
import { lastUserText, type ScriptedProvider, startProvider } from "../kit/provider/provider.ts";
import type { Step } from "../kit/provider/provider.ts";
import { type RemoteDatabase, startRemoteDatabase } from "../kit/remote_database.ts";
import { type HistoryMessage, MODELS, providerEnv } from "../kit/scripted.ts";

/** One of the two. */
export interface Peer {
  server: TestServer;
  send(
    text: string,
    extra?: Record<string, unknown>,
    headers?: Record<string, string>,
  ): Promise<Response>;
  /** Asks for something below the chat. */
  ask(method: string, path: string, options?: AskOptions): Promise<Response>;
  /** Joins a run, or the live one. */
  join(query?: Record<string, string>): Promise<Response>;
  history(): Promise<HistoryMessage[]>;
}

/** Two Parleys, and a chat that both are asked for. */
export interface Pair extends AsyncDisposable {
  db: RemoteDatabase;
  provider: ScriptedProvider;
  a: Peer;
  b: Peer;
  chat: string;
  /** How often the provider was asked with that text. */
  asked(text: string): number;
}

/**
 * Starts them. `answers` gives the steps by the text that is answered; "ok" where there are none.
 * `ofB` is for B alone, `settings` for both.
 */
export async function startPair(
  answers: Record<string, readonly Step[]> = {},
  ofB: Overrides = {},
  settings: Record<string, string> = {},
): Promise<Pair> {
  const stack = new AsyncDisposableStack();
  const db = stack.use(await startRemoteDatabase());
  const provider = stack.use(
    await startProvider({
      script: ({ body }) => ({ steps: answers[lastUserText(body)] ?? [{ text: "ok" }] }),
    }),
  );
  const env = { ...providerEnv(provider), ...db.env, ...settings };
  const first = stack.use(await startParley({ env }));
  const second = stack.use(await startParley({ ...ofB, env }));
  const chat = await first.newChat({ body: { title: "A chat" } });
  return {
    db,
    provider,
    a: peer(first, chat),
    b: peer(second, chat),
    chat,
    asked: (text) => provider.requests.filter(({ body }) => lastUserText(body) === text).length,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function peer(server: TestServer, chat: string): Peer {
  const ask: Peer["ask"] = (method, path, options) =>
    server.ask(method, `/api/v2/chats/${chat}${path}`, {
      // What never ends must fail a test, not hold it.
      signal: AbortSignal.timeout(20_000),
      ...options,
    });
  return {
    server,
    ask,
    send: (text, extra = {}, headers = {}) =>
      ask("POST", "/messages", {
        body: { message: { role: "user", content: text }, model: MODELS.compatible, ...extra },
        headers,
      }),
    join: (query = {}) => ask("GET", `/stream?${new URLSearchParams(query)}`),
    history: async () => await (await ask("GET", "/messages")).json(),
  };
}
