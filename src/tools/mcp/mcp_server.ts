import { NOT_NEEDED, settlesWithin } from "../../domain/clock.ts";
import type { Json } from "../../domain/json.ts";
import type { McpServerConfig } from "../../domain/mcp.ts";
import type { ToolCall, ToolQuestion, ToolResult } from "../../domain/tool.ts";
import type { Mask } from "../../observe/mask.ts";
import type { ServerStatus } from "../../domain/tool.ts";
import type { OwnTool, ToolServer } from "../tool_server.ts";
import { connect, type Lessons, type McpParts } from "./connect.ts";
import { type Connection, NotTaken } from "./connection.ts";
import { toolResult } from "./result.ts";
import { SignIn, type SignInParts } from "./sign_in.ts";

/** What MCP servers are run with. */
export interface McpServerParts extends McpParts {
  /** Hides secrets in errors: those of the configuration of all servers too. */
  mask: Mask;
  /** How long to wait for a server that starts, in milliseconds; by default 10 s. */
  startMs?: number;
  /** Without it, nobody can sign in to servers that want OAuth. */
  signIn?: SignInParts;
}

/** The wait before a server is started again: doubled each time, in milliseconds. */
const FIRST_WAIT = 1_000;
const LAST_WAIT = 60_000;

/** How long a server has to be fine for its failures to be forgotten, in milliseconds. */
const FINE = 60_000;

/** How long a server may take to say its era, at first and at last, in milliseconds. */
const FIRST_PROBE = 5_000;
const LAST_PROBE = 30_000;

/** A tool server that speaks MCP. It starts when it is first needed, and again whenever it fails. */
export class McpServer implements ToolServer {
  readonly name: string;
  /** The sign-in, if it may want one. */
  readonly signIn: SignIn | undefined;
  #status: ServerStatus = { status: "idle" };
  #connection: Connection | undefined;
  #tools: readonly OwnTool[] = [];
  #listing: Promise<void> | undefined;
  /** Resolves once it is ready, or has failed to be. */
  #started = Promise.withResolvers<void>();
  /** Why it ended the last time. */
  #failure: string | undefined;
  #running: Promise<void> | undefined;
  /** Ends the wait for the next start. */
  #retry = new AbortController();
  readonly #closing = new AbortController();
  readonly #startMs: number;

  constructor(
    private readonly config: McpServerConfig,
    private readonly parts: McpServerParts,
  ) {
    this.name = config.name;
    this.#startMs = parts.startMs ?? 10_000;
    const { target } = config;
    // Who has a token needs no other.
    if (!parts.signIn || !("url" in target) || new Headers(target.headers).has("authorization")) {
      return;
    }
    this.signIn = new SignIn(parts.signIn, config.name, target.url, parts.clock);
  }

  /** Takes the answer of a sign-in, and starts with it. @throws {Error} in words if it is none. */
  async finishSignIn(answer: URLSearchParams): Promise<void> {
    if (!this.signIn) throw new Error("Nobody waits for this sign-in.");
    try {
      await this.signIn.finish(answer);
    } finally {
      this.#retry.abort(NOT_NEEDED);
    }
  }

  get status(): ServerStatus {
    return this.#status;
  }

  async tools(): Promise<readonly OwnTool[]> {
    this.#run();
    const current = this.#started.promise.then(() => this.#list());
    await settlesWithin(current, this.#startMs, this.parts.clock);
    return this.#connection ? this.#tools : [];
  }

  async execute(
    tool: string,
    call: ToolCall,
    signal: AbortSignal,
    progress: (output: Json) => void,
  ): Promise<ToolResult> {
    this.#run();
    try {
      const connection = await this.#ready(signal);
      const result = await connection.call(tool, call, signal, progress).catch(async (error) => {
        if (!(error instanceof NotTaken)) throw error;
        await connection.ended;
        return await (await this.#ready(signal)).call(tool, call, signal, progress);
      });
      return "question" in result ? result as { question: ToolQuestion } : toolResult(result);
    } catch (error) {
      return { errorText: this.#sentence((error as Error).message) };
    }
  }

  /** The connection, which is waited for. @throws {Error} in words if there is none. */
  async #ready(signal: AbortSignal): Promise<Connection> {
    const aborted = Promise.withResolvers<void>();
    const onAbort = () => aborted.resolve();
    signal.addEventListener("abort", onAbort);
    if (signal.aborted) onAbort();
    try {
      const started = Promise.race([this.#started.promise, aborted.promise]);
      await settlesWithin(started, this.#startMs, this.parts.clock);
    } finally {
      signal.removeEventListener("abort", onAbort);
    }
    if (signal.aborted) throw new Error("was not called: the call was cancelled");
    if (this.#connection) return this.#connection;
    throw new Error(this.#whyNot());
  }

  async close(): Promise<void> {
    this.#closing.abort(NOT_NEEDED);
    await this.#running;
    this.#status = { status: "idle" };
  }

  #whyNot(): string {
    if (this.#closing.signal.aborted) return "was closed";
    if (this.#failure === undefined) return "is still starting: try again later";
    return `${this.#failure}. It is started again soon`;
  }

  /** A sentence about it, without a secret. */
  #sentence(rest: string): string {
    return `${withoutEnd(this.parts.mask(`The tool server "${this.config.title}" ${rest}`))}.`;
  }

  #run(): void {
    this.#running ??= this.#keepRunning();
  }

  async #keepRunning(): Promise<void> {
    const lessons: Lessons = { isOld: false, probeMs: FIRST_PROBE };
    for (let failures = 0; !this.#closing.signal.aborted;) {
      const { why, fineMs } = await this.#runOnce(lessons);
      this.#failure = this.signIn?.url === undefined ? why : "waits until somebody signs in";
      // After a long good time it is worth a try at once, for which calls wait.
      failures = fineMs >= FINE ? 0 : failures + 1;
      if (failures > 0) await this.#pause(Math.min(FIRST_WAIT * 2 ** (failures - 1), LAST_WAIT));
      // One of the newer era that starts slowly needs longer than those of the older that are mute.
      if (fineMs === 0) lessons.probeMs = Math.min(2 * lessons.probeMs, LAST_PROBE);
    }
    this.#started.resolve();
  }

  async #pause(ms: number): Promise<void> {
    const { signal } = this.#closing;
    if (signal.aborted) return;
    this.#status = { status: "failed", error: this.#sentence(this.#failure!) };
    this.#started.resolve();
    this.#retry = new AbortController();
    const either = AbortSignal.any([signal, this.#retry.signal]);
    await this.parts.clock.sleep(ms, either).catch(() => {});
    this.#started = Promise.withResolvers();
  }

  /** Resolves to why it ended, and how long it was fine before. */
  async #runOnce(lessons: Lessons): Promise<{ why: string; fineMs: number }> {
    const { clock } = this.parts;
    const { signal } = this.#closing;
    this.#status = { status: "starting" };
    let connection: Connection | undefined;
    const onClose = () => void connection?.close();
    signal.addEventListener("abort", onClose);
    try {
      connection = await connect(this.config, this.parts, lessons, signal, this.signIn);
      if (signal.aborted) return { why: "was closed", fineMs: 0 };
      this.#tools = await connection.tools();
      if (signal.aborted) return { why: "was closed", fineMs: 0 };
      this.#connection = connection;
      this.#status = { status: "ready" };
      this.#started.resolve();
      const begun = clock.elapsed();
      const why = await connection.ended;
      this.#connection = undefined;
      this.#started = Promise.withResolvers();
      return { why, fineMs: clock.elapsed() - begun };
    } catch (error) {
      return { why: (error as Error).message, fineMs: 0 };
    } finally {
      signal.removeEventListener("abort", onClose);
      await connection?.close();
    }
  }

  /** Brings the list of tools up to date; if that fails, the old one stays. */
  #list(): Promise<void> {
    return this.#listing ??= this.#listNow().finally(() => this.#listing = undefined);
  }

  async #listNow(): Promise<void> {
    try {
      if (this.#connection) this.#tools = await this.#connection.tools();
    } catch {
      // If the server is gone, that is seen by its connection.
    }
  }
}

/** A text without the dots and spaces at its end. */
function withoutEnd(text: string): string {
  let end = text.length;
  while (end > 0 && /[.\s]/.test(text[end - 1]!)) end--;
  return text.slice(0, end);
}
