import { release } from "../domain/bytes.ts";
import { Trouble, unreachable } from "./trouble.ts";

/** A request to another server. */
export interface Question extends Pick<RequestInit, "method" | "signal"> {
  headers?: HeadersInit | undefined;
  body?: QuestionBody | undefined;
}

/** The body of a request. */
export interface QuestionBody {
  /** How many bytes it has. */
  length: number;
  /** Makes them, once for each address, and gives them away. */
  pieces(): AsyncIterable<Uint8Array<ArrayBuffer>>;
}

/** How many redirects are followed. */
const MAX_REDIRECTS = 5;

/**
 * Asks another server. A redirect is followed within the server's origin only: any other would get the
 * key. A body is sent once for each address: if a kept-alive connection closes without a response, Deno
 * silently sends a body of bytes again, a second paid request that the ledger never saw.
 * @throws {Trouble} if there is no answer, or a redirect to elsewhere; or the signal's reason.
 */
export async function ask(
  address: string | URL,
  { method = "GET", headers, body, signal }: Question,
): Promise<Response> {
  // Aborted by the caller, or by a body that fails.
  const over = new AbortController();
  const onAbort = () => over.abort(signal?.reason);
  if (signal?.aborted) onAbort();
  signal?.addEventListener("abort", onAbort);
  let url = new URL(address);
  for (let hops = 0;; hops++) {
    const response = await fetch(url, {
      method,
      redirect: "manual",
      ...(headers && { headers }),
      signal: over.signal,
      ...(body && { body: new SizedBody(body, (error) => over.abort(error)) }),
    }).catch((error) => {
      throw over.signal.aborted ? over.signal.reason : unreachable(error);
    });
    const location = response.headers.get("location");
    if (response.status < 300 || response.status > 399 || location === null) return response;
    response.body?.cancel().catch(() => {});
    const next = URL.parse(location, url);
    if (next?.origin !== url.origin || hops === MAX_REDIRECTS) throw redirected(next);
    // As every client does: only 307 and 308 keep the method and the body.
    if (response.status < 307 && method !== "GET") [method, body] = ["GET", undefined];
    url = next;
  }
}

/**
 * A body as a stream whose length is known. The runtime sends a `Content-Length` for a blob alone, and
 * small servers read by nothing else.
 */
class SizedBody extends Blob {
  readonly #body: QuestionBody;
  readonly #onFailure: (error: unknown) => void;

  constructor(body: QuestionBody, onFailure: (error: unknown) => void) {
    super();
    this.#body = body;
    this.#onFailure = onFailure;
  }

  override get size(): number {
    return this.#body.length;
  }

  override stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return streamOf(this.#body, this.#onFailure);
  }
}

/** A body as a stream, which never fails: Deno lets the error of one that does go uncaught. */
function streamOf(
  body: QuestionBody,
  onFailure: (error: unknown) => void,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const pieces = body.pieces()[Symbol.asyncIterator]();
  let left = body.length;
  let written: Uint8Array<ArrayBuffer> | undefined;
  return new ReadableStream({
    async pull(controller) {
      try {
        // The runtime holds on to what it has not sent.
        if (written) release(written);
        const { value, done } = await pieces.next();
        if (done) return controller.close();
        controller.enqueue(value);
        written = value;
        // The runtime takes an end that comes after the last byte for a connection that breaks.
        left -= value.length;
        if (left === 0) controller.close();
      } catch (error) {
        onFailure(error);
        // An end would look like a whole body.
        await new Promise(() => {});
      }
    },
    cancel() {
      pieces.return?.().catch(() => {});
    },
  }, { highWaterMark: 0 });
}

function redirected(to: URL | null): Trouble {
  const where = to?.origin.slice(0, 200) ?? "a URL that is none";
  return new Trouble(
    "redirected",
    `redirects to ${where}, which Parley does not follow, since it would get the key`,
  );
}
