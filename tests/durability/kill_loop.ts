/** A Parley that is killed and started again on the same data folder, and its clients. */
import { assert, assertEquals } from "@std/assert";
import { eventually } from "../e2e/client.ts";
import { parleyCommand, type ParleyProcess, spawnParley } from "../kit/process.ts";
import { lastUserText, startProvider } from "../kit/provider/provider.ts";
import type { ScriptedProvider, Step } from "../kit/provider/provider.ts";
import { providerEnv } from "../kit/scripted.ts";
import { type Random } from "../kit/random.ts";
import { ALL_MODELS, type Model, paced, randomContent } from "./scripts.ts";
import { Stored } from "./stored.ts";
import { assertBeginsWith, assertKept, saidBy, wholeParts, Witness } from "./witness.ts";

/** How soon after a start no run may be live any more, in milliseconds: P3. */
const RECOVERED_WITHIN = 2_000;

/** A message that was sent, or tried to be. */
export interface Sent {
  chat: string;
  id: string;
  text: string;
  model: Model;
  /** The status of the answer's headers; undefined where the server was gone before. */
  status: number | undefined;
  witnesses: Witness[];
}

/** The server, its data folder and the provider, over any number of kills. */
export class KillLoop implements AsyncDisposable {
  /** Pieces that clients have got since the start. */
  pieces = 0;
  #server: ParleyProcess | undefined;
  #killedAt = 0;
  #onPiece = () => {};
  readonly #steps = new Map<string, Step[]>();

  private constructor(
    readonly dataDir: string,
    private readonly provider: ScriptedProvider,
    private readonly random: Random,
    private readonly env: Record<string, string>,
  ) {
    provider.script((request) => {
      const asksForTitle = JSON.stringify(request.body).includes("Write a title");
      if (asksForTitle) return { steps: [{ delay: 150 }, { text: "A title" }] };
      // Messages that got no answer are put together with the next one, which counts.
      const token = lastUserText(request.body).match(/<[0-9a-f-]{36}>/g)?.at(-1) ?? "";
      return { steps: this.#steps.get(token) ?? [] };
    });
  }

  static async start(random: Random, env: Record<string, string> = {}): Promise<KillLoop> {
    const dataDir = await Deno.makeTempDir({ prefix: "parley-kill-" });
    const provider = await startProvider({ record: false });
    const loop = new KillLoop(dataDir, provider, random, {
      PARLEY_TOKENS: "alice=alice-secret",
      ...providerEnv(provider),
      ...env,
    });
    await loop.restart();
    return loop;
  }

  /** Starts the server, which does not run; resolves when it listens. */
  async restart(): Promise<void> {
    this.#server = await spawnParley({ dataDir: this.dataDir, env: this.env });
  }

  /** `kill -9`. */
  async kill(): Promise<void> {
    this.#server!.signal("SIGKILL");
    await this.#server!.exit;
    this.#killedAt = Date.now();
  }

  /** Starts the server and kills it `ms` milliseconds later, wherever it is by then. */
  async killStarting(ms: number): Promise<void> {
    const [program = "", ...args] = parleyCommand();
    const child = new Deno.Command(program, {
      args: [...args, "serve", "--data", this.dataDir, "--listen", "127.0.0.1:0"],
      env: this.env,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const timer = setTimeout(() => child.kill("SIGKILL"), ms);
    await child.status;
    clearTimeout(timer);
    this.#killedAt = Date.now();
  }

  ask(
    method: string,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Response> {
    return fetch(this.#server!.url + path, {
      method,
      headers: {
        "coder-session-token": "alice-secret",
        "content-type": "application/json",
        ...headers,
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    });
  }

  async newChat(body: { title?: string } = {}): Promise<string> {
    return (await (await this.ask("POST", "/api/v2/chats", body)).json()).id;
  }

  /** Sends a new message with an answer of its own, and reads that. */
  async send(
    chat: string,
    { model = this.random.pick(ALL_MODELS), steps }: { model?: Model; steps?: Step[] } = {},
  ): Promise<Sent> {
    const id = crypto.randomUUID();
    const content = randomContent(this.random, model, this.random.between(5, 60));
    this.#steps.set(`<${id}>`, steps ?? paced(this.random, content, 8));
    const text = `Say what belongs to <${id}>`;
    const sent: Sent = { chat, id, text, model, status: undefined, witnesses: [] };
    const response = await this.post(sent);
    if (response) this.#watch(sent, response);
    return sent;
  }

  /** Sends a message, again if need be; undefined where the server is gone. */
  async post({ chat, id, text, model }: Sent): Promise<Response | undefined> {
    const body = { message: { id, role: "user", content: text }, model };
    const headers = { "idempotency-key": id };
    return await this.ask("POST", `/api/v2/chats/${chat}/messages`, body, headers)
      .catch(() => undefined);
  }

  /** Lets one more client read the run of a message. */
  async join(sent: Sent): Promise<void> {
    const response = await this.ask("GET", `/api/v2/chats/${sent.chat}/stream`)
      .catch(() => undefined);
    if (response?.status === 200) this.#watch(sent, response);
    else await response?.body?.cancel();
  }

  /** Resolves when clients have got so many more pieces, or all streams are over. */
  async morePieces(count: number, sent: readonly Sent[]): Promise<void> {
    const until = this.pieces + count;
    const enough = new Promise<void>((resolve) => {
      this.#onPiece = () => this.pieces >= until && resolve();
      this.#onPiece();
    });
    const over = sent.flatMap(({ witnesses }) => witnesses.map(({ over }) => over));
    await Promise.race([enough, Promise.all(over)]);
    this.#onPiece = () => {};
  }

  /** The run's bytes from its first event on, as the server gives them now. */
  async replay({ chat, witnesses }: Sent): Promise<Uint8Array> {
    const path = `/api/v2/chats/${chat}/stream?run=${witnesses[0]!.runId}&after=0`;
    const response = await this.ask("GET", path);
    assertEquals(response.status, 200, `${path} of what was acknowledged`);
    return await response.bytes();
  }

  /** The promises about what the server had taken and said before it was killed. */
  async check(sent: readonly Sent[]): Promise<void> {
    await using stored = await Stored.open(this.dataDir);
    const over = async () => await stored.liveRuns() === 0 || undefined;
    await eventually("no run is live", over, RECOVERED_WITHIN);
    await stored.checkIntegrity();
    // What the process of now asks for, titles for instance, is its own business.
    assertEquals(await stored.openAttempts(this.#killedAt), []);
    const messages = await stored.messages();
    for (const message of sent) {
      const [prompt, ...others] = messages.get(message.id) ?? [];
      assertEquals(others, []);
      if (message.status === 200) {
        assert(prompt, "a message was acknowledged and is not there");
        assertEquals(prompt.parts, [{ type: "text", text: message.text }]);
      }
      if (prompt) assertEquals(await stored.runsFor(prompt), 1);
      if (message.witnesses.length === 0) continue;

      const replayed = await this.replay(message);
      const parts = wholeParts(replayed);
      assertEquals(parts.at(-1)?.code, "d", "a replay ends with the finish");
      const answerId = parts.find(({ code }) => code === "f")?.value.messageId;
      const [answer] = messages.get(answerId) ?? [];
      assertKept(parts, answer, { whole: true });
      const state = await stored.stateOf(message.witnesses[0]!.runId);
      for (const { bytes, parts } of message.witnesses) {
        assertBeginsWith(replayed, bytes, "a replay begins with what a client saw");
        assertKept(parts, answer, { whole: false });
        assert(mayStandAt(state, saidBy(parts).end), `${state} is not how it was seen`);
      }
      if (answer) assertEquals(answer.status as string, state);
    }
    await this.#checkHistory(sent);
  }

  /** What the API lists is what the database has. */
  async #checkHistory(sent: readonly Sent[]): Promise<void> {
    for (const chat of new Set(sent.map(({ chat }) => chat))) {
      const history: { id: string; content: string }[] =
        await (await this.ask("GET", `/api/v2/chats/${chat}/messages`)).json();
      for (const message of sent) {
        if (message.chat !== chat || message.status !== 200) continue;
        const listed = history.filter(({ id }) => id === message.id);
        assertEquals(listed.map(({ content }) => content), [message.text]);
      }
    }
  }

  #watch(sent: Sent, response: Response): void {
    sent.status ??= response.status;
    if (response.status !== 200) return;
    const onPiece = () => {
      this.pieces++;
      this.#onPiece();
    };
    sent.witnesses.push(new Witness(response, onPiece));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server?.[Symbol.asyncDispose]();
    await this.provider.close();
    await Deno.remove(this.dataDir, { recursive: true });
  }
}

/** Whether a run may stand there, of which a client saw that end or none. */
function mayStandAt(state: string | undefined, end: string | undefined): boolean {
  if (end === undefined) return state === "completed" || state === "interrupted";
  return state === (end === "other" ? "interrupted" : "completed");
}
