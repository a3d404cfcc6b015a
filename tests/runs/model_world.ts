/** The real chats that the model is held against: a server, its provider and what clients have open. */
import { StreamReader } from "../kit/data_stream.ts";
import {
  type Gate,
  gate,
  type RecordedRequest,
  type Script,
  type ScriptedProvider,
  startProvider,
} from "../kit/provider/provider.ts";
import { type Scripted, startScripted } from "../kit/scripted.ts";
import { within } from "./many_kit.ts";
import type { Run, Send } from "./model_chat.ts";

/** How long anything may take, in milliseconds: long for any machine, short for a hang. */
export const PATIENCE = 15_000;

/** How many models there are in each dialect: more than one sequence of commands asks. */
const MODELS = 100;

/** The dialects, by the first letter of their models. */
export const DIALECTS = ["c", "a", "g"] as const;

/** What a client has of a message that it sent. */
export interface Client {
  chat: string;
  runId: string;
  /** What it sent, to be sent again. */
  body: Record<string, unknown>;
  key: string;
  /** Its stream; undefined where a restart has ended that. */
  reader: StreamReader | undefined;
  /** All that it got, once its run has ended. */
  whole?: string;
  /** True where it took its message back. */
  cancelled?: boolean;
}

/** A request at the provider, with the gates that hold its answer up. */
export interface Held {
  request: RecordedRequest;
  gates: Gate[];
}

/** A server with its provider, through all sequences of commands. */
export class World {
  /** By the model that was asked, as everything here. */
  readonly clients = new Map<string, Client>();
  readonly #sends = new Map<string, Send>();
  readonly #held = new Map<string, Held>();
  #scripted!: Scripted;
  #named = 0;

  private constructor(readonly provider: ScriptedProvider, readonly dataDir: string) {}

  static async start(): Promise<World> {
    const dataDir = await Deno.makeTempDir({ prefix: "parley-test-" });
    const world = new World(await startProvider(), dataDir);
    world.provider.script((request) => world.#answer(request));
    await world.#listen();
    return world;
  }

  async close(): Promise<void> {
    await this.#scripted.server.stop();
    await this.provider.close();
    await Deno.remove(this.dataDir, { recursive: true });
  }

  /** Ends the server as a shutdown does, and starts another on the same data. */
  async restart(): Promise<void> {
    await within(PATIENCE, "the end of the server", this.#scripted.server.stop());
    await this.#listen();
  }

  async #listen(): Promise<void> {
    const models = (letter: string) => Array.from({ length: MODELS }, (_, index) => letter + index);
    this.#scripted = await startScripted({
      provider: this.provider,
      dataDir: this.dataDir,
      env: {
        PARLEY_LIMIT_RETRIES: "0",
        ...Object.fromEntries(
          DIALECTS.map((letter, at) => [`PARLEY_AI_PROVIDER_${at}_MODELS`, models(letter).join()]),
        ),
      },
    });
  }

  /** Gives a send a model that none has asked for long. */
  name(dialect: string, send: Omit<Send, "model">): Send {
    const named = { ...send, model: dialect + this.#named++ % MODELS };
    this.#sends.set(named.model, named);
    this.#held.delete(named.model);
    this.clients.delete(named.model);
    return named;
  }

  /** Asks the server, below the path of all chats. */
  ask(method: string, path: string, body?: unknown, headers: Record<string, string> = {}) {
    const asking = this.#scripted.server.ask(method, `/api/v2/chats${path}`, { body, headers });
    return within(PATIENCE, `${method} ${path}`, asking);
  }

  /** What a GET gives. */
  async json(path: string) {
    return await (await this.ask("GET", path)).json();
  }

  /** Sends a message. Where it is taken, `clients` has who sent it, with the open stream. */
  async send(chat: string, send: Send, busy: string): Promise<Response> {
    const message = { id: send.id, role: "user", content: send.text };
    const body = { message, model: send.model, busy };
    const key = `key-${this.#named}`;
    const response = await this.ask("POST", `/${chat}/messages`, body, { "idempotency-key": key });
    if (response.status !== 200) return response;
    const runId = response.headers.get("parley-run-id")!;
    const reader = new StreamReader(response);
    this.clients.set(send.model, { chat, runId, body, key, reader });
    return response;
  }

  /** Lets the provider do the next thing that the run's plan has. */
  async proceed({ send, said }: Run): Promise<void> {
    (await this.held(send.model)).gates[said.length]!.open();
  }

  /** The provider's side of a run, as soon as it is asked. */
  async held(model: string): Promise<Held> {
    for (;;) {
      const held = this.#held.get(model);
      if (held) return held;
      const next = this.provider.waitForRequests(this.provider.requests.length + 1);
      await within(PATIENCE, `the request for ${model}`, next);
    }
  }

  /** The requests of a chat that the provider has not ended. */
  open(chat: string): { model: string; request: RecordedRequest }[] {
    return [...this.#held].filter(([model]) => this.clients.get(model)?.chat === chat)
      .map(([model, { request }]) => ({ model, request }))
      .filter(({ request }) => request.outcome === "open");
  }

  #answer(request: RecordedRequest): Script {
    const { model, plan } = this.#sends.get(request.model)!;
    const gates = Array.from({ length: plan.deltas + 1 }, gate);
    this.#held.set(model, { request, gates });
    const end = {
      finish: { finish: "stop" as const },
      error: { error: { message: "overloaded", status: 503 } },
      cut: { cut: true as const },
      end: { end: true as const },
    }[plan.ending];
    const deltas = gates.map((wait, index) => [{ wait }, { text: `<${model}.${index}>` }]);
    return { steps: [...deltas.flat().slice(0, -1), end] };
  }
}
