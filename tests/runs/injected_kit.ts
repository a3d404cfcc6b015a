/** A server with a fault at one of its seams, and what must be true of it afterwards. */
import { assert, assertEquals } from "@std/assert";
import { systemClock } from "../../src/domain/clock.ts";
import { FastClock } from "../kit/clock.ts";
import { partsOf, textOf } from "../kit/data_stream.ts";
import type { AskOptions } from "../kit/ask.ts";
import { type Gate, gate, lastUserText } from "../kit/provider/provider.ts";
import { type Scripted, startScripted } from "../kit/scripted.ts";
import { testToolbox } from "../kit/toolbox.ts";
import { type Fault, Seams } from "./injected_faults.ts";
import { rowsOf, within } from "./many_kit.ts";

/** How long anything may take that is no fault, in milliseconds. */
const PATIENCE = 10_000;

/** The tools that a text with a word in it calls. */
const TOOLS = [
  ["tool", "where"],
  ["see", "test__see"],
  ["act", "test__act"],
  ["also", "test__also"],
] as const;

/** What a request came to; status 0 if its connection was cut. */
export interface Answered {
  status: number;
  body: string;
  headers: Headers;
}

/** A request: it resolves once its answer is whole, `taken` once that has begun. */
export type Asked = Promise<Answered> & { taken: Promise<unknown> };

/** What a scenario has: a chat, and a provider that holds the answers to texts with `hold` in them. */
export interface Trial {
  scripted: Scripted;
  chat: string;
  /** Opens to let held answers go on. */
  held: Gate;
  ask(method: string, path: string, options?: AskOptions): Asked;
  send(text: string, extra?: Record<string, unknown>, headers?: Record<string, string>): Asked;
  /** Resolves once a model was asked about a text with `part` in it, or `otherwise` has settled. */
  asked(part: string, otherwise: Promise<unknown>): Promise<void>;
  /** Resolves once a method was called, such as `chats.nameOnce`. */
  called(method: string): Promise<void>;
}

/** Something that clients do with a chat. It takes errors as they come. */
export interface Scenario {
  name: string;
  /** Whether the chat may be gone afterwards. */
  deletes?: true;
  /** Whether the chat has no title yet, so that a model is asked for one. */
  untitled?: true;
  /** Makes ready what the scenario needs, before any fault. */
  prepare?: (trial: Trial) => Promise<Record<string, unknown>>;
  play(trial: Trial, prepared: Record<string, unknown>): Promise<unknown>;
}

/** A Parley with seams, whose clock is fast. Its scenarios are played one after the other. */
export class Bench implements AsyncDisposable {
  readonly seams: Seams;
  readonly scripted: Scripted;
  #held = gate();
  #watchers = new Set<() => void>();
  #seen = "";

  private constructor(
    scripted: Scripted,
    seams: Seams,
    /** How often each call of a tool ran. */
    private readonly ran: ReadonlyMap<string, number>,
  ) {
    this.scripted = scripted;
    this.seams = seams;
    let tried = false;
    scripted.provider.script((request) => {
      const text = lastUserText(request.body);
      this.#seen += `${text}\n`;
      for (const watcher of [...this.#watchers]) watcher();
      const tools = TOOLS.filter(([word]) => text.includes(word));
      if (tools.length > 0 && !JSON.stringify(request.body).includes("tool_call_id")) {
        return {
          steps: tools.map(([, name], index) => ({
            toolCall: { id: `call_${index + 1}`, name, args: {} },
          })),
        };
      }
      if (text.includes("retry") && (tried = !tried)) return { status: 500 };
      return text.includes("hold")
        ? { steps: [{ text: "o" }, { wait: this.#held }, { text: "k" }] }
        : { steps: [{ text: "ok" }] };
    });
  }

  static async start(env: Record<string, string> = {}): Promise<Bench> {
    const seams = new Seams();
    const ran = new Map<string, number>();
    const run = ({ chatId, tool }: { chatId: string; tool: string }) => {
      const call = `${tool} in ${chatId}`;
      ran.set(call, (ran.get(call) ?? 0) + 1);
      return { output: "done" };
    };
    const scripted = await startScripted({
      ...seams.overrides,
      toolbox: testToolbox({ see: { run, readOnly: true }, act: { run }, also: { run } }, []),
      clock: new FastClock(100),
      // A place that a fault kept would soon be missed.
      env: { PARLEY_LIMIT_RUN_SECONDS: "150", PARLEY_LIMIT_RUNS_PER_USER: "3", ...env },
    });
    return new Bench(scripted, seams, ran);
  }

  /** Plays a scenario with a fault, and fails if the server does not get over it. */
  async play(scenario: Scenario, fault?: Fault): Promise<ReadonlyMap<string, number>> {
    const { scripted, seams } = this;
    const chat = scenario.untitled ? await scripted.server.newChat() : await scripted.chat();
    const trial = this.#trial(chat);
    const prepared = await scenario.prepare?.(trial) ?? {};
    seams.watch(fault);
    await within(PATIENCE, "the scenario", scenario.play(trial, prepared));
    trial.held.open();
    const calls = new Map(seams.calls);
    seams.disarm();
    // How often some calls come depends on how the events fall into groups.
    if (fault?.call === 1) assert(seams.struck, "the call did not come");
    await this.#isOver(trial.chat);
    for (const [call, times] of this.ran) assertEquals(times, 1, call);
    await this.#isAnswered(trial, scenario);
    return calls;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const end = async () => await this.scripted[Symbol.asyncDispose]();
    await within(PATIENCE, "the end of the server", end());
  }

  #trial(chat: string): Trial {
    const { server } = this.scripted;
    const held = this.#held = gate();
    this.#seen = "";
    const ask: Trial["ask"] = (method, path, options) => {
      const taken = within(PATIENCE, path, server.ask(method, path, options));
      return Object.assign(taken.then((response) => wholeOf(response, path)), { taken });
    };
    return {
      scripted: this.scripted,
      chat,
      held,
      ask,
      send: (text, extra = {}, headers = {}) =>
        ask("POST", `/api/v2/chats/${chat}/messages`, {
          body: { message: { role: "user", content: text }, model: "scripted", ...extra },
          headers,
        }),
      asked: (part, otherwise) => this.#asked(part, otherwise),
      called: (method) =>
        eventually(`a call of ${method}`, () => {
          assert(this.seams.calls.has(method));
          return Promise.resolve();
        }),
    };
  }

  async #asked(part: string, otherwise: Promise<unknown>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const watcher = () => {
      if (this.#seen.includes(part)) resolve();
    };
    this.#watchers.add(watcher);
    watcher();
    await Promise.race([promise, otherwise]);
    this.#watchers.delete(watcher);
  }

  async #isOver(chat: string): Promise<void> {
    const open = `SELECT
      (SELECT count(*) FROM runs WHERE chat_id = '${chat}' AND state = 'running') AS runs,
      (SELECT count(*) FROM queue WHERE chat_id = '${chat}') AS queue,
      (SELECT count(*) FROM attempts
       WHERE chat_id = '${chat}' AND outcome = 'open' AND kind <> 'title') AS attempts`;
    await eventually("no run, attempt or queued message is left open", async () => {
      const [row] = await rowsOf(this.scripted.server.dataDir, open);
      const found = { runs: row!.runs, queue: row!.queue, attempts: row!.attempts };
      assertEquals(found, { runs: 0, queue: 0, attempts: 0 });
    });
  }

  async #isAnswered(trial: Trial, { deletes }: Scenario): Promise<void> {
    await eventually("the next send is answered", async () => {
      let { status, body } = await trial.send("and now?");
      if (deletes && status === 404) {
        ({ status, body } = await this.#trial(await this.scripted.chat()).send("and now?"));
      }
      assertEquals(status, 200, body);
      const parts = partsOf(body);
      assertEquals([textOf(parts), parts.at(-1)?.value.finishReason], ["ok", "stop"], body);
    });
  }
}

/** The whole answer; what came of one that was cut off is nobody's to know. */
async function wholeOf(response: Response, path: string): Promise<Answered> {
  const { status, headers } = response;
  const whole = response.text().catch(() => undefined);
  const body = await within(PATIENCE, `the body of ${path}`, whole);
  return body === undefined ? { status: 0, body: "", headers } : { status, body, headers };
}

/** Tries until `check` does not fail; its last failure ends the test. */
export async function eventually(what: string, check: () => Promise<void>): Promise<void> {
  const until = performance.now() + PATIENCE / 2;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > until) throw new Error(`${what}: ${error}`, { cause: error });
    }
    await systemClock.sleep(5);
  }
}
