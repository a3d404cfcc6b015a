/** Parley with models from the scripted provider. */
import type { AskOptions } from "./ask.ts";
import { startParley, type TestOptions, type TestServer } from "./parley.ts";
import { type ScriptedProvider, type ScriptSource, startProvider } from "./provider/provider.ts";

/** Both servers, with helpers for tests. */
export interface Scripted extends AsyncDisposable {
  server: TestServer;
  provider: ScriptedProvider;
  /** Creates a chat with a title, so that no model is asked for one, and returns its id. */
  chat(options?: AskOptions): Promise<string>;
  /** Sends a text to the model `scripted` or another; extra fields are added to the body. */
  send(
    chat: string,
    text: string,
    extra?: Record<string, unknown>,
    headers?: Record<string, string>,
  ): Promise<Response>;
  history(chat: string): Promise<HistoryMessage[]>;
}

/** The fields of a history message that tests read. */
export interface HistoryMessage {
  id: string;
  role: string;
  content: string;
  parts: Record<string, unknown>[];
}

/** The scripted provider's models, one for each dialect with a configurable base URL. */
export const MODELS = { compatible: "scripted", anthropic: "claude", google: "gemini" } as const;

/** The environment that points Parley to that provider. */
export function providerEnv({ base }: Pick<ScriptedProvider, "base">): Record<string, string> {
  const providers = [
    ["openai-compatible", base.openai, MODELS.compatible],
    ["anthropic", base.anthropic, MODELS.anthropic],
    ["google", base.google, MODELS.google],
  ] as const;
  return Object.fromEntries(providers.flatMap(([type, url, models], index) => {
    const prefix = `PARLEY_AI_PROVIDER_${index}_`;
    return [
      [`${prefix}TYPE`, type],
      [`${prefix}BASE_URL`, url],
      [`${prefix}MODELS`, models],
      [`${prefix}API_KEY`, "sk-provider-secret"],
    ];
  }));
}

/** Starts both. */
export async function startScripted(
  options: TestOptions & { script?: ScriptSource; provider?: ScriptedProvider } = {},
): Promise<Scripted> {
  const provider = options.provider ?? await startProvider();
  if (options.script) provider.script(options.script);
  const server = await startParley({
    ...options,
    env: { ...providerEnv(provider), ...options.env },
  });
  return {
    server,
    provider,
    chat: (ask) => server.newChat({ ...ask, body: { title: "A chat" } }),
    send: (chat, text, extra = {}, headers = {}) =>
      server.ask("POST", `/api/v2/chats/${chat}/messages`, {
        body: { message: { role: "user", content: text }, model: MODELS.compatible, ...extra },
        headers,
      }),
    async history(chat) {
      return await (await server.ask("GET", `/api/v2/chats/${chat}/messages`)).json();
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      if (!options.provider) await provider.close();
    },
  };
}
