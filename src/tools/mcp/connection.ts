import type { CallToolResult, Client, Progress } from "@modelcontextprotocol/client";
import { type Clock, NOT_NEEDED } from "../../domain/clock.ts";
import type { Json, JsonObject } from "../../domain/json.ts";
import type { McpServerConfig } from "../../domain/mcp.ts";
import type { OwnTool } from "../tool_server.ts";
import { CallTime, ProgressPace } from "./call_limits.ts";
import { startChild } from "./child.ts";
import { HttpTransport } from "./http.ts";
import type { SignIn } from "./sign_in.ts";
import { StdioTransport } from "./stdio.ts";
import { listTools } from "./tool_list.ts";
import type { ServerTransport } from "./transport.ts";
import { isNetwork, statusOf, wordsFor } from "./words.ts";

/** What servers are connected with. */
export interface McpParts {
  clock: Clock;
  /** Parley's environment, of which programs get a little. */
  environment: Readonly<Record<string, string | undefined>>;
  /** Parley's version, for the servers. */
  version: string;
}

/** What former connections taught. */
export interface Lessons {
  /** True if it is of the older era, of which some servers do not bear being asked for it. */
  isOld: boolean;
  /** How long to wait for it to say its era, in milliseconds. */
  probeMs: number;
}

type Sdk = typeof import("@modelcontextprotocol/client");

/** How long a server may take to be ready, in milliseconds: some download themselves first. */
const START = 60_000;

/** How long a call may take if nothing else is configured, in milliseconds. */
const CALL = 60_000;

/** How long the list of tools may take, in milliseconds. */
const LIST = 30_000;

/** Longer than any limit of ours. */
const NEVER = 2 ** 31 - 1;

/**
 * Connects to a server, in whichever era of the protocol it speaks.
 * @throws {Error} whose message continues the server's name, as "cannot be started".
 */
export async function connect(
  config: McpServerConfig,
  parts: McpParts,
  lessons: Lessons,
  signal: AbortSignal,
  signIn: SignIn | undefined,
): Promise<Connection> {
  // Only now: without servers, nobody has to load it.
  const sdk = await import("@modelcontextprotocol/client");
  const time = new CallTime(START, parts.clock);
  const either = AbortSignal.any([signal, time.signal]);
  try {
    return await connectInTime(config, parts, sdk, lessons, either, signIn);
  } catch (error) {
    if (!time.signal.aborted) throw error;
    throw new Error(`was not ready within ${START / 1000} s`, { cause: error });
  } finally {
    time.end();
  }
}

async function connectInTime(
  config: McpServerConfig,
  parts: McpParts,
  sdk: Sdk,
  lessons: Lessons,
  signal: AbortSignal,
  signIn: SignIn | undefined,
): Promise<Connection> {
  if (signal.aborted) throw new Error("was closed");
  const { target } = config;
  const attempt = (transport: ServerTransport, isOld: boolean) =>
    connectBy(transport, sdk, parts, { ...lessons, isOld }, signal, config);
  if ("command" in target) {
    const transport = () =>
      new StdioTransport(startChild(target, parts.environment, parts.clock), parts.clock);
    const tried = lessons.isOld;
    lessons.isOld = false;
    const connection = await attempt(transport(), tried).catch((error) => {
      // It may have ended because of the question for its era.
      if (tried || signal.aborted || !(error instanceof EndedAtQuestion)) throw error;
      return attempt(transport(), true);
    });
    lessons.isOld = connection.isOld;
    return connection;
  }
  const transport = (type: "http" | "sse") =>
    new HttpTransport({ ...target, type }, sdk, parts.clock, signIn?.provider(sdk));
  try {
    return await attempt(transport(target.type), target.type === "sse");
  } catch (error) {
    const status = statusOf((error as Error).cause) ?? 0;
    const isOther = [400, 404, 405, 406, 415].includes(status) && target.type === "http";
    if (!isOther || signal.aborted) throw error;
    // It may speak the transport of 2024 only. If not, what it said first is the reason.
    return await attempt(transport("sse"), true).catch(() => {
      throw error;
    });
  }
}

/** The program ended when it was asked for its era. */
class EndedAtQuestion extends Error {}

/** Tries to connect by one transport. */
async function connectBy(
  transport: ServerTransport,
  sdk: Sdk,
  { clock, version }: McpParts,
  { isOld, probeMs }: Lessons,
  signal: AbortSignal,
  { timeoutMs = CALL }: McpServerConfig,
): Promise<Connection> {
  const onAbort = () => void transport.close().catch(() => {});
  signal.addEventListener("abort", onAbort);
  const list = new ListState();
  const client = new sdk.Client({ name: "parley", version }, {
    capabilities: {},
    versionNegotiation: { mode: isOld ? "legacy" : "auto", probe: { timeoutMs: probeMs } },
    inputRequired: { autoFulfill: false },
    listChanged: {
      tools: { autoRefresh: false, debounceMs: 0, onChanged: () => list.changed() },
    },
  });
  transport.onunwatched = () => list.unwatched();
  try {
    await client.connect(transport, { timeout: NEVER });
    return new Connection(client, transport, clock, timeoutMs, list);
  } catch (error) {
    await transport.close();
    const words = transport.failure ?? wordsFor(error);
    const isQuestion = (error as { code?: unknown }).code === "ERA_NEGOTIATION_FAILED";
    throw new (isQuestion ? EndedAtQuestion : Error)(words, { cause: error });
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

/** Whether the list of tools is the newest. */
class ListState {
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

  /** Calls a tool. @throws {Error} in words; `NotTaken` if it can be tried again. */
  async call(
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
