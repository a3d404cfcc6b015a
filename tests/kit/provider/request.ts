/** The provider's record of a request, and how it reads one. */
import type { Answer, WireRequest } from "./connection.ts";
import { anthropic } from "./anthropic.ts";
import type { Dialect, DialectName } from "./dialect.ts";
import { google } from "./google.ts";
import { openaiChat } from "./openai_chat.ts";
import { openaiResponses } from "./openai_responses.ts";
import type { Outcome } from "./play.ts";

/** A request for an answer. Times are milliseconds on the clock of `performance.now()`. */
export interface RecordedRequest {
  /** 1 for the first. */
  readonly number: number;
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
  /** The parsed JSON. */
  readonly body: Record<string, unknown>;
  readonly dialect: DialectName;
  readonly model: string;
  /** Whether to stream the answer. */
  readonly streaming: boolean;
  readonly arrivedAt: number;
  /** The HTTP status of the answer; undefined until its head has been sent. */
  readonly status: number | undefined;
  readonly outcome: Outcome;
  /** Bytes of the answer's body sent so far. */
  readonly bytesSent: number;
  /** When the answer ended, whatever the outcome. */
  readonly endedAt: number | undefined;
  /** When the connection closed; after a complete answer it may stay open for the next request. */
  readonly closedAt: number | undefined;
  /** Resolves with the outcome when the answer has ended. */
  readonly ended: Promise<Outcome>;
  /** Resolves with the time when the connection closed; the outcome is known by then. */
  readonly closed: Promise<number>;
}

/** The dialect, model and mode of a request. */
export interface Route {
  dialect: Dialect;
  model: string;
  streaming: boolean;
}

/** The route of a request, or undefined if there is none. */
export function routeOf(wire: WireRequest, body: Record<string, unknown>): Route | undefined {
  const { pathname } = wire.url;
  if (wire.method !== "POST") return undefined;
  const call = pathname.match(/\/models\/([^/]+):(streamGenerateContent|generateContent)$/);
  if (call) {
    const model = decodeURIComponent(call[1]!);
    return { dialect: google, model, streaming: call[2] === "streamGenerateContent" };
  }
  const dialect = byPath(pathname);
  return dialect && { dialect, model: String(body.model), streaming: body.stream === true };
}

function byPath(pathname: string): Dialect | undefined {
  if (pathname.endsWith("/chat/completions")) return openaiChat;
  if (pathname.endsWith("/responses")) return openaiResponses;
  return pathname.endsWith("/messages") ? anthropic : undefined;
}

/** The text of the last user message in a request of any dialect; "" if there is none. */
export function lastUserText(body: Record<string, unknown>): string {
  const messages = (body.messages ?? body.input ?? body.contents ?? []) as WireMessage[];
  const last = messages.findLast((message) => message.role === "user");
  const content = last?.content ?? last?.parts ?? "";
  if (typeof content === "string") return content;
  return content.map((part) => part.text ?? "").join("");
}

interface WireMessage {
  role?: string;
  content?: string | { text?: string }[];
  parts?: { text?: string }[];
}

/** The record of a request in progress. */
export class Recording implements RecordedRequest {
  readonly method: string;
  readonly path: string;
  readonly headers: Headers;
  readonly dialect: DialectName;
  readonly model: string;
  readonly streaming: boolean;
  readonly arrivedAt = performance.now();
  readonly ended: Promise<Outcome>;
  readonly closed: Promise<number>;
  outcome: Outcome = "open";
  endedAt: number | undefined;
  closedAt: number | undefined;
  readonly #end = Promise.withResolvers<Outcome>();

  constructor(
    readonly number: number,
    wire: WireRequest,
    readonly body: Record<string, unknown>,
    route: Route,
    private readonly answer: Answer,
  ) {
    this.method = wire.method;
    this.path = wire.url.pathname;
    this.headers = wire.headers;
    this.dialect = route.dialect.name;
    this.model = route.model;
    this.streaming = route.streaming;
    this.ended = this.#end.promise;
    this.closed = this.#closing();
  }

  get status(): number | undefined {
    return this.answer.status;
  }

  get bytesSent(): number {
    return this.answer.bytesSent;
  }

  end(outcome: Outcome): void {
    this.outcome = outcome;
    this.endedAt = performance.now();
    this.#end.resolve(outcome);
  }

  async #closing(): Promise<number> {
    const at = await this.answer.connection.closed;
    await this.ended;
    this.closedAt = at;
    return at;
  }
}
