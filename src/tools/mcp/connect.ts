import type { Clock } from "../../domain/clock.ts";
import type { McpServerConfig } from "../../domain/mcp.ts";
import { CallTime } from "./call_limits.ts";
import { startChild } from "./child.ts";
import { Connection, ListState, NEVER } from "./connection.ts";
import { HttpTransport } from "./http.ts";
import { Questions } from "./questions.ts";
import type { SignIn } from "./sign_in.ts";
import { StdioTransport } from "./stdio.ts";
import type { ServerTransport } from "./transport.ts";
import { statusOf, wordsFor } from "./words.ts";

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
    capabilities: { elicitation: { form: {} } },
    versionNegotiation: { mode: isOld ? "legacy" : "auto", probe: { timeoutMs: probeMs } },
    listChanged: {
      tools: { autoRefresh: false, debounceMs: 0, onChanged: () => list.changed() },
    },
  });
  const questions = new Questions();
  client.setRequestHandler(
    "elicitation/create",
    ({ params }) => "requestedSchema" in params ? questions.take(params) : { action: "cancel" },
  );
  transport.onunwatched = () => list.unwatched();
  try {
    await client.connect(transport, { timeout: NEVER });
    return new Connection(client, transport, clock, timeoutMs, list, questions);
  } catch (error) {
    await transport.close();
    const words = transport.failure ?? wordsFor(error);
    const isQuestion = (error as { code?: unknown }).code === "ERA_NEGOTIATION_FAILED";
    throw new (isQuestion ? EndedAtQuestion : Error)(words, { cause: error });
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}
