import type {
  AuthProvider,
  JSONRPCMessage,
  SSEClientTransport,
  StreamableHTTPClientTransport,
  Transport,
} from "@modelcontextprotocol/client";
import { type Clock, settlesWithin } from "../../domain/clock.ts";
import type { McpUrl } from "../../domain/mcp.ts";
import { unreachable } from "../../net/trouble.ts";
import { boundedBody } from "./bounded_body.ts";
import { Flood, MessageBounds } from "./bounds.ts";
import { type ServerTransport, usable } from "./transport.ts";
import { statusOf, wordsFor } from "./words.ts";

type SendOptions = Parameters<Transport["send"]>[1];

/** How long a server may take for a message that it does not answer, in milliseconds. */
const NOTIFICATION = 10_000;

/** How long it may take to end its session, in milliseconds. */
const LAST_WORD = 1_000;

/** The SDK's transports. */
export interface HttpTransports {
  StreamableHTTPClientTransport: typeof StreamableHTTPClientTransport;
  SSEClientTransport: typeof SSEClientTransport;
}

/**
 * A transport of the SDK with bounds: for what comes, and for the requests that it leaves open once
 * nobody waits for their answers.
 */
export class HttpTransport implements ServerTransport {
  onclose?: () => void;
  onerror?: (error: Error) => void;
  onmessage?: (message: JSONRPCMessage) => void;
  onunwatched?: () => void;
  failure: string | undefined;
  readonly hasPerRequestStream?: boolean;
  readonly #inner: Transport & Partial<Pick<StreamableHTTPClientTransport, "terminateSession">>;
  /** The requests without an answer. */
  readonly #open = new Map<unknown, AbortController>();
  /** Responses whose bodies are read: the signal of a request stops working once its response is gone. */
  readonly #reading = new Set<Response>();
  readonly #flood: Flood;
  /** Why the last request that failed did. */
  #trouble: string | undefined;

  constructor(
    { url, headers, type }: McpUrl,
    sdk: HttpTransports,
    private readonly clock: Clock,
    authProvider: AuthProvider | undefined,
  ) {
    this.#flood = new Flood(clock);
    const fetch: typeof globalThis.fetch = (input, init) => this.#fetch(input, init);
    const options = { requestInit: { headers }, fetch, ...authProvider && { authProvider } };
    if (type === "sse") {
      this.#inner = new sdk.SSEClientTransport(new URL(url), options);
      this.#inner.onerror = (error) => this.#onLostStream(error);
    } else {
      this.#inner = new sdk.StreamableHTTPClientTransport(new URL(url), options);
      this.#inner.onerror = (error) => this.onerror?.(error);
      this.hasPerRequestStream = true;
    }
    this.#inner.onclose = () => this.onclose?.();
    this.#inner.onmessage = (message) => this.#take(message);
  }

  get sessionId(): string | undefined {
    return this.#inner.sessionId;
  }

  setProtocolVersion(version: string): void {
    this.#inner.setProtocolVersion?.(version);
  }

  start(): Promise<void> {
    return this.#inner.start();
  }

  async send(message: JSONRPCMessage, options: SendOptions = {}): Promise<void> {
    if (!("method" in message) || !("id" in message)) {
      const requestSignal = AbortSignal.timeout(NOTIFICATION);
      const sent = this.#inner.send(message, { ...options, requestSignal });
      this.#leave(message);
      return await sent;
    }
    const leaving = new AbortController();
    this.#open.set(message.id, leaving);
    // In the era of 2026 this is how a request is cancelled.
    options.requestSignal?.addEventListener("abort", () => {
      leaving.abort("cancelled");
      this.#open.delete(message.id);
    }, { once: true });
    const onRequestStreamEnd = () => {
      options.onRequestStreamEnd?.();
      this.#onEndOfAnswer(message.id);
    };
    try {
      const requestSignal = leaving.signal;
      await this.#inner.send(message, { ...options, requestSignal, onRequestStreamEnd });
    } catch (error) {
      this.#open.delete(message.id);
      throw error;
    }
  }

  async close(): Promise<void> {
    for (const open of this.#open.values()) open.abort("closed");
    this.#open.clear();
    // A server that is gone keeps no session.
    if (this.failure === undefined) {
      const ended = this.#inner.terminateSession?.().catch(() => {}) ?? Promise.resolve();
      await settlesWithin(ended, LAST_WORD, this.clock);
    }
    await this.#inner.close();
  }

  #fail(why: string): void {
    if (this.failure !== undefined) return;
    this.failure = why;
    this.close().catch(() => {});
  }

  /** Without its stream, the transport of 2024 gets no answers; the SDK would wait for another one. */
  #onLostStream(error: Error): void {
    const isAnswer = statusOf(error) !== undefined;
    this.#fail(isAnswer ? wordsFor(error) : this.#trouble ?? "ended its stream of events");
  }

  #take(message: JSONRPCMessage): void {
    if (!("method" in message)) this.#open.delete(message.id);
    this.onmessage?.(usable(message));
  }

  /** A request that was cancelled: the server may keep its answer open for ever. */
  #leave(message: JSONRPCMessage): void {
    if (!("method" in message) || message.method !== "notifications/cancelled") return;
    const id = message.params?.["requestId"];
    this.#open.get(id)?.abort("cancelled");
    this.#open.delete(id);
  }

  /** Without this, a request whose answer was cut would wait until its time is over. */
  #onEndOfAnswer(id: string | number): void {
    if (!this.#open.delete(id)) return;
    const message = "it ended its answer before the result";
    this.onmessage?.({ jsonrpc: "2.0", id, error: { code: -32_000, message } });
  }

  async #fetch(input: string | URL | Request, init?: RequestInit): Promise<Response> {
    const response = await fetch(input, init).catch((error) => {
      if (init?.signal?.aborted) throw error;
      const trouble = unreachable(error);
      this.#trouble = trouble.message;
      throw trouble;
    });
    // The stream of what the server says by itself: it may have none, or end it now and then.
    const isWatch = init?.method === "GET";
    if (isWatch && !response.ok) this.onunwatched?.();
    if (!response.body) return response;
    const isStream = response.headers.get("content-type")?.startsWith("text/event-stream");
    this.#reading.add(response);
    return boundedBody(response, new MessageBounds(isStream ? "empty line" : "end", this.#flood), {
      excess: (why) => this.#fail(why),
      end: () => {
        this.#reading.delete(response);
        if (isWatch) this.onunwatched?.();
      },
    });
  }
}
