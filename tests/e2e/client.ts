/** What end-to-end tests ask of a server that they know by its URL alone. */
import { assertEquals } from "@std/assert";

/** A message as the history lists it. */
export interface ListedMessage {
  id: string;
  role: string;
  content: string;
}

/** A user's client. */
export interface Client {
  ask(method: string, path: string, body?: unknown): Promise<Response>;
  /** Makes a chat and gives its id. */
  newChat(body?: { title: string }): Promise<string>;
  /** Sends a text to a chat; the response is the stream, or the refusal. */
  send(chat: string, text: string, model?: string): Promise<Response>;
  history(chat: string): Promise<ListedMessage[]>;
  title(chat: string): Promise<string>;
}

/** A client of the server at `url` with that token; null for none. */
export function clientOf(url: string, token: string | null): Client {
  const ask: Client["ask"] = (method, path, body) =>
    fetch(url + path, {
      method,
      headers: {
        ...(token !== null && { "coder-session-token": token }),
        ...(body !== undefined && { "content-type": "application/json" }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  const read = async (path: string) => {
    const response = await ask("GET", path);
    assertEquals(response.status, 200, path);
    return await response.json();
  };
  return {
    ask,
    async newChat(body) {
      const response = await ask("POST", "/api/v2/chats", body);
      assertEquals(response.status, 201);
      return (await response.json()).id;
    },
    send: (chat, text, model = "demo") =>
      ask("POST", `/api/v2/chats/${chat}/messages`, {
        message: { role: "user", content: text },
        model,
      }),
    history: (chat) => read(`/api/v2/chats/${chat}/messages`),
    title: async (chat) => (await read(`/api/v2/chats/${chat}`)).title,
  };
}

/** The status of a response whose body is of no interest. */
export async function statusOf(response: Promise<Response>): Promise<number> {
  const { status, body } = await response;
  await body?.cancel();
  return status;
}

/**
 * Asks again and again until there is an answer: for what a server does in its own time and tells
 * nobody.
 * @throws {Error} with `what` where none comes within `limitMs`.
 */
export async function eventually<T>(
  what: string,
  look: () => Promise<T | undefined>,
  limitMs = 20_000,
): Promise<T> {
  for (const end = Date.now() + limitMs; Date.now() < end;) {
    const found = await look();
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${what}: not within ${limitMs} ms`);
}
