import type { CallToolResult, Client, Progress } from "@modelcontextprotocol/client";
import { type Clock, NOT_NEEDED } from "../../domain/clock.ts";
import type { Json, JsonObject } from "../../domain/json.ts";
import type { ToolCall, ToolQuestion } from "../../domain/tool.ts";
import type { OwnTool } from "../tool_server.ts";
import { CallTime, ProgressPace } from "./call_limits.ts";
import type { Questions } from "./questions.ts";
import { listTools } from "./tool_list.ts";
import type { ServerTransport } from "./transport.ts";
import { isNetwork, statusOf, wordsFor } from "./words.ts";

/** How long the list of tools may take, in milliseconds. */
const LIST = 30_000;

/** Longer than any limit of ours. */
export const NEVER = 2 ** 31 - 1;

/** Whether the list of tools is the newest. */
export class ListState {
  isNewest = false;
  #isUnwatched = false;

  /** It is about to be asked for. */
  asked(): void {
    this.isNewest = !this.#isUnwatched;
  }

  changed(): void {
    this.isNewest = false;
  }

  /** Whatever changes, nobody may say so: it has to be asked for each time. */
  unwatched(): void {
    this.#isUnwatched = true;
    this.isNewest = false;
  }
}

/** The server has not taken the call, and has to be connected again. */
export class NotTaken extends Error {}

/** A server that is ready. */
export class Connection {
  /** Resolves to why it ended, as the rest of a sentence. */
  readonly ended: Promise<string>;
  #failure: string | undefined;
  #tools: readonly OwnTool[] | undefined;

  constructor(
    private readonly client: Client,
    transport: ServerTransport,
    private readonly clock: Clock,
    private readonly timeoutMs: number,
    private readonly list: ListState,
    private readonly questions: Questions,
  ) {
    const ended = Promise.withResolvers<string>();
    this.ended = ended.promise;
    const onEnd = () => {
      this.#failure ??= transport.failure ?? "closed the connection";
      ended.resolve(this.#failure);
    };
    client.onclose = onEnd;
    // It may have ended while it was being connected.
    if (client.transport === undefined) onEnd();
    // A server that ends its stream of changes cannot say any more that its list changed.
    client.autoOpenedSubscription?.closed.then(() => list.unwatched());
  }

  /** True if it speaks the protocol of 2025. */
  get isOld(): boolean {
    return this.client.getProtocolEra() === "legacy";
  }

  /** Its tools: asked for again if they may have changed. @throws {Error} in words. */
  async tools(): Promise<readonly OwnTool[]> {
    const { tools } = this.client.getServerCapabilities() ?? {};
    // One that never says that its list changes has always the same.
    if (this.list.isNewest || (this.#tools && !tools?.listChanged)) return this.#tools ?? [];
    if (!tools) return [];
    const time = new CallTime(LIST, this.clock);
    // What changes meanwhile is in doubt again.
    this.list.asked();
    try {
      return this.#tools = await listTools((cursor) =>
        this.client.request({
          method: "tools/list",
          ...cursor !== undefined && { params: { cursor } },
        }, { signal: time.signal, timeout: NEVER })
      );
    } catch (error) {
      this.list.changed();
      this.#leaveIfLost(error);
      const why = time.signal.aborted ? `took more than ${LIST / 1000} s` : this.#words(error);
      throw new Error(`does not say which tools it has: it ${why}`, { cause: error });
    } finally {
      time.end();
    }
  }

  /**
   * Calls a tool; the result is a question if it needs an answer that nobody has given.
   * @throws {Error} in words; `NotTaken` if it can be tried again.
   */
  async call(
    tool: string,
    { input, answers }: Pick<ToolCall, "input" | "answers">,
    signal: AbortSignal,
    report: (progress: Json) => void,
  ): Promise<CallToolResult | { question: ToolQuestion }> {
    using asker = this.questions.open(answers);
    try {
      const result = await this.#callNow(tool, input, signal, report);
      return asker.question ? { question: asker.question } : result;
    } catch (error) {
      // What a tool makes of a question that was cancelled does not count.
      if (asker.question && !signal.aborted) return { question: asker.question };
      throw error;
    }
  }

  async #callNow(
    tool: string,
    input: JsonObject,
    signal: AbortSignal,
    report: (progress: Json) => void,
  ): Promise<CallToolResult> {
    const time = new CallTime(this.timeoutMs, this.clock);
    const done = new AbortController();
    const pace = new ProgressPace(report, this.clock, AbortSignal.any([done.signal, signal]));
    const schema = this.#tools?.find(({ name }) => name === tool)?.schema ?? { type: "object" };
    try {
      return await this.client.callTool({ name: tool, arguments: input }, {
        signal: AbortSignal.any([signal, time.signal]),
        timeout: NEVER,
        onprogress: (progress) => {
          time.extend();
          pace.take(shown(progress));
        },
        // Without an output schema, whose check may take any time.
        toolDefinition: { name: tool, inputSchema: { ...schema, type: "object" } },
      });
    } catch (error) {
      if (signal.aborted) throw new Error("was told to stop: the call was cancelled");
      if (time.signal.aborted) throw new Error(`did not answer within ${time.seconds} s`);
      this.#leaveIfLost(error);
      // Who does not know the session has not looked at the call.
      const Lost = statusOf(error) === 404 ? NotTaken : Error;
      throw new Lost(this.#words(error), { cause: error });
    } finally {
      time.end();
      done.abort(NOT_NEEDED);
    }
  }

  async close(): Promise<void> {
    this.#failure ??= "was closed";
    await this.client.close();
  }

  #words(error: unknown): string {
    return this.#failure ?? wordsFor(error);
  }

  /** Ends the connection if nobody is there, or nobody who knows it or lets it in. */
  #leaveIfLost(error: unknown): void {
    const status = statusOf(error);
    if (status !== 404 && status !== 401 && !isNetwork(error)) return;
    this.#failure ??= wordsFor(error);
    this.client.close().catch(() => {});
  }
}

function shown({ progress, total, message }: Progress): Json {
  return {
    progress,
    ...total !== undefined && { total },
    ...message !== undefined && { message: message.slice(0, 1_000) },
  };
}
