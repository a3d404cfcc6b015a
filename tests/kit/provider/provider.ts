/**
 * The scripted provider: an HTTP server that speaks the wire formats of the model providers and plays
 * the scripts of a test or a benchmark, faults included.
 */
import { Answer, Connection, type WireRequest } from "./connection.ts";
import { type Action, actionsOf, type Asked } from "./actions.ts";
import { CREATED } from "./dialect.ts";
import { play } from "./play.ts";
import { type RecordedRequest, Recording, routeOf } from "./request.ts";
import type { Script, Usage } from "./script.ts";

export type { DialectName } from "./dialect.ts";
export type { Outcome } from "./play.ts";
export { lastUserText, type RecordedRequest } from "./request.ts";
export * from "./script.ts";

/**
 * The answers to the next requests: one script for all, a queue whose last script repeats, or a
 * function that chooses for each request.
 */
export type ScriptSource =
  | Script
  | readonly Script[]
  | ((request: RecordedRequest) => Script | Promise<Script>);

/** How to start a provider. */
export interface ProviderOptions {
  /** As for `script`; by default each answer is the text "ok". */
  script?: ScriptSource;
  /** The ids that `GET /v1/models` lists; default: "scripted". Any model gets an answer. */
  models?: readonly string[];
  /** 0, the default, picks a free port. */
  port?: number;
  /** If false, keeps no requests, so that a long benchmark does not fill the memory; default: true. */
  record?: boolean;
}

/**
 * The requests to one model and the tokens it reported: a client's ledger must add up to this. Tokens
 * count once the write that reports them is complete; Anthropic reports the input in the first one.
 */
export interface UsageTotals extends Required<Usage> {
  /** Requests that arrived, including failed ones. */
  requests: number;
  /** Answers that reported their output tokens. */
  reported: number;
}

/** A running provider. */
export interface ScriptedProvider extends AsyncDisposable {
  /** Such as "http://127.0.0.1:4321". */
  readonly url: string;
  /** The base URLs for the SDK's provider packages. */
  readonly base: { openai: string; anthropic: string; google: string };
  /** The requests for an answer, in order of arrival. */
  readonly requests: readonly RecordedRequest[];
  /** By model. */
  readonly usage: Readonly<Record<string, UsageTotals>>;
  /** Sets what to play from the next request on. */
  script(source: ScriptSource): void;
  /** Resolves with all requests as soon as `count` have arrived since the start. */
  waitForRequests(count: number): Promise<readonly RecordedRequest[]>;
  /** Closes every connection and the listener. */
  close(): Promise<void>;
}

/** Starts a provider on 127.0.0.1. */
export function startProvider(options: ProviderOptions = {}): Promise<ScriptedProvider> {
  return Promise.resolve(new Provider(options));
}

class Provider implements ScriptedProvider {
  readonly url: string;
  readonly base: ScriptedProvider["base"];
  readonly requests: Recording[] = [];
  readonly usage: Record<string, UsageTotals> = {};
  readonly #listener: Deno.TcpListener;
  readonly #connections = new Map<Connection, Promise<void>>();
  readonly #rendered = new WeakMap<Script, Map<string, Action[]>>();
  readonly #waiting = new Set<() => void>();
  readonly #accepting: Promise<void>;
  #next: (request: RecordedRequest) => Script | Promise<Script> = () => ({});
  #arrived = 0;

  constructor(private readonly options: ProviderOptions) {
    this.#listener = Deno.listen({ hostname: "127.0.0.1", port: options.port ?? 0 });
    this.url = `http://127.0.0.1:${this.#listener.addr.port}`;
    const v1 = `${this.url}/v1`;
    this.base = { openai: v1, anthropic: v1, google: `${this.url}/v1beta` };
    this.script(options.script ?? { steps: [{ text: "ok" }] });
    this.#accepting = this.#accept();
  }

  script(source: ScriptSource): void {
    if (typeof source === "function") {
      this.#next = source;
      return;
    }
    const queue = "length" in source ? [...source] : [source];
    this.#next = () => (queue.length > 1 ? queue.shift() : queue[0]) ?? {};
  }

  async waitForRequests(count: number): Promise<readonly RecordedRequest[]> {
    while (this.#arrived < count) {
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
    return this.requests;
  }

  async close(): Promise<void> {
    this.#listener.close();
    await this.#accepting;
    for (const connection of this.#connections.keys()) connection.destroy();
    await Promise.all(this.#connections.values());
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #accept(): Promise<void> {
    for await (const conn of this.#listener) {
      const connection = new Connection(conn);
      this.#connections.set(connection, this.#serve(connection));
    }
  }

  async #serve(connection: Connection): Promise<void> {
    for (;;) {
      const wire = await connection.next();
      if (wire === undefined) break;
      await this.#answer(wire, new Answer(connection));
    }
    await connection.closed;
    this.#connections.delete(connection);
  }

  async #answer(wire: WireRequest, answer: Answer): Promise<void> {
    if (wire.method === "GET" && wire.url.pathname.endsWith("/models")) {
      return await sendJson(answer, 200, this.#modelList());
    }
    const body = parsed(wire.body);
    const route = body && routeOf(wire, body);
    if (!body || !route) {
      const message = `The scripted provider has no ${wire.method} ${wire.url.pathname}`;
      return await sendJson(answer, body ? 404 : 400, { error: { message } });
    }
    const request = new Recording(++this.#arrived, wire, body, route, answer);
    this.#totals(route.model).requests++;
    if (this.options.record !== false) this.requests.push(request);
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
    const script = await this.#scriptFor(request);
    const actions = this.#actions(script, { ...route, body, number: request.number });
    request.end(
      await play(actions, answer, script.cutAtByte ?? Infinity, (told) => {
        this.#report(route.model, told);
      }),
    );
  }

  // An error in a script function must show in the test, not end the provider.
  async #scriptFor(request: Recording): Promise<Script> {
    try {
      return await this.#next(request);
    } catch (error) {
      return { status: 500, message: `The script failed: ${error}` };
    }
  }

  #actions(script: Script, asked: Asked): Action[] {
    if (!script.prerender) return actionsOf(script, asked);
    const rendered = this.#rendered.get(script) ?? new Map<string, Action[]>();
    this.#rendered.set(script, rendered);
    const { dialect, model, streaming, body } = asked;
    const key = [dialect.name, streaming, dialect.wantsUsage(body), model].join(" ");
    const actions = rendered.get(key) ?? actionsOf(script, asked);
    rendered.set(key, actions);
    return actions;
  }

  #totals(model: string): UsageTotals {
    const none = { requests: 0, reported: 0, input: 0, output: 0, cached: 0, reasoning: 0 };
    return this.usage[model] ??= none;
  }

  #report(model: string, told: Partial<Usage>): void {
    const totals = this.#totals(model);
    totals.input += told.input ?? 0;
    totals.cached += told.cached ?? 0;
    totals.output += told.output ?? 0;
    totals.reasoning += told.reasoning ?? 0;
    if (told.output !== undefined) totals.reported++;
  }

  #modelList(): unknown {
    const models = this.options.models ?? ["scripted"];
    const data = models.map((id) => ({
      id,
      object: "model",
      created: CREATED,
      owned_by: "scripted",
    }));
    return { object: "list", data };
  }
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    return text === "" ? {} : JSON.parse(text);
  } catch {
    return undefined;
  }
}

async function sendJson(answer: Answer, status: number, value: unknown): Promise<void> {
  const body = new TextEncoder().encode(JSON.stringify(value));
  await answer.head(status, { "content-type": "application/json" }, body.length);
  await answer.send(body);
}
