/** Requests without a socket, for tests of what HTTP answers and not of how it travels. */
import type { AskOptions } from "./ask.ts";
import { type TestServer, TOKENS } from "./parley.ts";

/** Asks the app itself as alice, or as the user whose token is given, as `TestServer.ask` does. */
export async function request(
  { parley, url }: TestServer,
  method: string,
  path: string,
  { body, token, headers, signal }: AskOptions = {},
): Promise<Response> {
  return await parley.app.request(path, {
    method,
    headers: {
      host: new URL(url).host,
      ...(token !== null && { "coder-session-token": token ?? TOKENS.alice }),
      ...(body !== undefined && { "content-type": "application/json" }),
      ...headers,
    },
    ...(signal && { signal }),
    ...(body !== undefined && { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
}
