/** Commands in the background. Each belongs to a chat, and ends with it. */
import type { Clock } from "../../domain/clock.ts";
import { NOT_NEEDED } from "../../domain/clock.ts";
import type { JsonObject } from "../../domain/json.ts";
import { sendToGroup, type Signal } from "./ending.ts";
import { exitOf } from "./execute.ts";
import { Problem } from "./problem.ts";
import type { Exit, Running, Shell } from "./shell.ts";
import { Tail, textOf } from "./transcript.ts";

/** The most commands of a chat that run, that are known, and that run in all chats. */
const MOST = { running: 16, known: 32, ofAll: 256 };

/** How much output is kept for the next look, in bytes. */
const KEPT = 64 * 1024;

/** How long a look waits for output, and an output of which much was lost for the next, in milliseconds. */
const WAIT_MS = 2_000;
const FLOOD_PAUSE_MS = 2;

/** The commands of all chats. */
export class Background {
  readonly #shell: Shell;
  readonly #clock: Clock;
  readonly #chats = new Map<string, Map<string, Process>>();

  constructor(shell: Shell, clock: Clock) {
    this.#shell = shell;
    this.#clock = clock;
  }

  /** Starts a command. @throws {Problem} if the chat has too many. */
  async start(command: string, chatId: string): Promise<JsonObject> {
    const known = this.#of(chatId);
    if (runningOf([known]) >= MOST.running) {
      throw new Problem(`${MOST.running} commands run in the background already: end one first`);
    }
    if (runningOf(this.#chats.values()) >= MOST.ofAll) {
      throw new Problem("Too many commands of other chats run in the background");
    }
    const ended = [...known].find(([, process]) => !process.isRunning);
    if (known.size >= MOST.known && ended) known.delete(ended[0]);
    const id = crypto.randomUUID().slice(0, 8);
    const process = new Process(command, this.#clock);
    // It counts from now on, so that many at once are not more than allowed.
    known.set(id, process);
    try {
      await process.begin(this.#shell);
    } catch (error) {
      known.delete(id);
      throw error;
    }
    if (this.#chats.get(chatId) !== known) await process.stop();
    return { id, state: "running" };
  }

  /** What a command wrote since the last look. @throws {Problem} */
  async output(id: string, chatId: string, signal: AbortSignal): Promise<JsonObject> {
    const process = this.#find(id, chatId);
    await process.news(signal);
    return { id, ...process.state, ...process.look() };
  }

  list(chatId: string): JsonObject {
    const processes = [...this.#chats.get(chatId) ?? []].map(([id, { command, state }]) => ({
      id,
      command: command.length > 200 ? `${command.slice(0, 200)}…` : command,
      ...state,
    }));
    return { processes };
  }

  /** Sends a signal to a command and what it started, other sessions left out. @throws {Problem} */
  signal(id: string, chatId: string, signal: Signal): JsonObject {
    const process = this.#find(id, chatId);
    if (!process.send(signal)) throw new Problem(`The process ${id} has ended`);
    return { id, sent: signal.slice("SIG".length) };
  }

  /** Ends all commands of a chat. */
  async leave(chatId: string): Promise<void> {
    const processes = this.#chats.get(chatId);
    this.#chats.delete(chatId);
    await Promise.all([...processes?.values() ?? []].map((process) => process.stop()));
  }

  /** Ends all commands. */
  async close(): Promise<void> {
    await Promise.all([...this.#chats.keys()].map((chatId) => this.leave(chatId)));
  }

  #of(chatId: string): Map<string, Process> {
    const known = this.#chats.get(chatId) ?? new Map<string, Process>();
    this.#chats.set(chatId, known);
    return known;
  }

  #find(id: string, chatId: string): Process {
    const process = this.#chats.get(chatId)?.get(id);
    if (!process) throw new Problem("There is no process of that id: process_list shows them");
    return process;
  }
}

function runningOf(chats: Iterable<Map<string, Process>>): number {
  return [...chats].flatMap((known) => [...known.values()]).filter((one) => one.isRunning).length;
}

/** A command in the background. */
class Process {
  readonly #clock: Clock;
  readonly #tail = new Tail(KEPT);
  #running: Running | undefined;
  #exit: Exit | undefined;
  /** How much of the output was looked at. */
  #seen = 0;
  #decoder = new TextDecoder();
  #change = Promise.withResolvers<void>();

  constructor(readonly command: string, clock: Clock) {
    this.#clock = clock;
  }

  get isRunning(): boolean {
    return this.#exit === undefined;
  }

  get state(): JsonObject {
    return this.#exit ? { state: "ended", ...exitOf(this.#exit) } : { state: "running" };
  }

  async begin(shell: Shell): Promise<void> {
    this.#running = await shell.start(this.command, async (bytes) => {
      this.#tail.add(bytes);
      this.#changed();
      if (this.#tail.total - this.#seen > KEPT) await this.#clock.sleep(FLOOD_PAUSE_MS);
    });
    void this.#running.ended.then((exit) => {
      this.#exit = exit;
      this.#changed();
    });
  }

  /** Resolves once there is something new, or after a while. */
  async news(signal: AbortSignal): Promise<void> {
    if (!this.isRunning || this.#tail.total > this.#seen) return;
    const over = new AbortController();
    const wait = this.#clock.sleep(WAIT_MS, AbortSignal.any([signal, over.signal]));
    await Promise.race([this.#change.promise, wait.catch(() => {})]);
    over.abort(NOT_NEEDED);
  }

  /** What was written since the last look. */
  look(): JsonObject {
    const bytes = this.#tail.last(this.#tail.total - this.#seen);
    const lost = this.#tail.total - this.#seen - bytes.length;
    if (lost > 0) this.#decoder = new TextDecoder();
    this.#seen = this.#tail.total;
    // Half a character at the end stays with the decoder for the next look.
    const output = textOf(bytes, this.#decoder, this.isRunning);
    return { output: lost > 0 ? `[… ${lost} bytes were lost …]\n${output}` : output };
  }

  /** False if it has ended. */
  send(signal: Signal): boolean {
    return this.isRunning && this.#running !== undefined &&
      sendToGroup(this.#running.kinship, signal);
  }

  async stop(): Promise<void> {
    await this.#running?.stop();
    await this.#running?.ended;
  }

  #changed(): void {
    this.#change.resolve();
    this.#change = Promise.withResolvers();
  }
}
