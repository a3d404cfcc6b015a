/** Requests of the tests to a server. */

/** What a request has beside its method and path. */
export interface AskOptions {
  body?: unknown;
  /** A token; null for none. */
  token?: string | null;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** Makes a request; a body other than a text or bytes is sent as JSON. */
export type Ask = (method: string, path: string, options?: AskOptions) => Promise<Response>;

/** Requests to a server as the user of `own`, unless another token is given. */
export function askAt(url: string, own: string): Ask {
  return (method, path, { body, token, headers, signal } = {}) =>
    fetch(url + path, {
      method,
      redirect: "manual",
      headers: {
        ...(token !== null && { "coder-session-token": token ?? own }),
        ...(body !== undefined && { "content-type": "application/json" }),
        ...headers,
      },
      ...(signal && { signal }),
      ...(body !== undefined && {
        body: typeof body === "string" || body instanceof Uint8Array
          ? body as BodyInit
          : JSON.stringify(body),
      }),
    });
}
