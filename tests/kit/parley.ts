/** A complete Parley for a test: real files, real sockets, its own folder. */
import { createApp, type Overrides, type Parley } from "../../src/app.ts";
import { type Config, readConfig } from "../../src/config/config.ts";
import { type Ask, askAt, type AskOptions } from "./ask.ts";

/** The options of a test. */
export interface TestOptions extends Overrides {
  /** Environment, as the program reads it; `PARLEY_TOKENS` defaults to alice and bob. */
  env?: Record<string, string>;
  /** A data folder to reuse; the test must then remove it. */
  dataDir?: string;
}

/** A running server with a client for it. */
export interface TestServer extends AsyncDisposable {
  url: string;
  config: Config;
  parley: Parley;
  dataDir: string;
  /** The log lines so far. */
  logged: string[];
  /** Requests as alice, or as the user with the given token. */
  ask: Ask;
  /** Creates a chat and returns its id. */
  newChat(options?: AskOptions): Promise<string>;
  /** Sends a text to a chat with the model `test` or another; extra fields are added to the body. */
  send(chat: string, text: string, extra?: Record<string, unknown>): Promise<Response>;
  /** Stops listening and closes the database, keeping the folder. */
  stop(): Promise<void>;
}

/** The tokens of every test server's two users. */
export const TOKENS = { alice: "alice-secret", bob: "bob-secret" };

const MIGRATIONS = new URL("../../migrations", import.meta.url).pathname;

/** Starts a server on a free port. */
export async function startParley(options: TestOptions = {}): Promise<TestServer> {
  const dataDir = options.dataDir ?? await Deno.makeTempDir({ prefix: "parley-test-" });
  const config = readConfig({
    flags: { data: dataDir, listen: "127.0.0.1:0" },
    env: {
      PARLEY_TOKENS: Object.entries(TOKENS).map(([name, secret]) => `${name}=${secret}`).join(","),
      PARLEY_LOG_FORMAT: "json",
      ...options.env,
    },
    readFile: Deno.readTextFileSync,
  });
  const logged: string[] = [];
  const parley = await createApp(config, MIGRATIONS, {
    write: (line) => logged.push(line),
    demoPaceMs: 0,
    ...options,
  });
  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => parley.app.fetch(request),
  );
  const url = `http://127.0.0.1:${(server.addr as Deno.NetAddr).port}`;

  const ask = askAt(url, TOKENS.alice);

  let stopped: Promise<void> | undefined;
  const stop = () =>
    stopped ??= (async () => {
      await parley.close();
      await server.shutdown();
    })();
  return {
    url,
    config,
    parley,
    dataDir,
    logged,
    ask,
    async newChat(askOptions) {
      const response = await ask("POST", "/api/v2/chats", askOptions);
      const { id } = await response.json();
      return id;
    },
    send: (chat, text, extra = {}) =>
      ask("POST", `/api/v2/chats/${chat}/messages`, {
        body: { message: { role: "user", content: text }, model: "demo", ...extra },
      }),
    stop,
    async [Symbol.asyncDispose]() {
      await stop();
      if (options.dataDir === undefined) await Deno.remove(dataDir, { recursive: true });
    },
  };
}
