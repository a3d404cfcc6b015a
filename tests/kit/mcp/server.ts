/** MCP servers under test, as Parley runs them. */
import { type Clock, systemClock } from "../../../src/domain/clock.ts";
import type { Json, JsonObject } from "../../../src/domain/json.ts";
import type { McpProgram, McpServerConfig, McpUrl } from "../../../src/domain/mcp.ts";
import type { ToolResult } from "../../../src/domain/tool.ts";
import { createMask } from "../../../src/observe/mask.ts";
import { McpServer } from "../../../src/tools/mcp/mcp_server.ts";
import type { SignInParts } from "../../../src/tools/mcp/sign_in.ts";

const HERE = import.meta.dirname!;
const ROOT = `${HERE}/../../..`;

/** What `deno` is told to run a package of the lock, or a file, without asking the network. */
const RUN = ["run", "-A", "--quiet", "--cached-only", "--config", `${ROOT}/deno.json`];

/** The arguments of `deno` for a package's program, by its name in deno.json. */
export async function packageArgs(name: string, ...args: string[]): Promise<string[]> {
  const { imports } = JSON.parse(await Deno.readTextFile(`${ROOT}/deno.json`));
  return [...RUN, imports[name], ...args];
}

/** The misbehaving program: how it starts, and its arguments. */
export function badProgram(...args: string[]): McpProgram {
  return program(["run", "-A", "--quiet", "--no-config", "--no-lock", `${HERE}/bad.ts`, ...args]);
}

/** The program that speaks the era of 2026 alone. */
export function newProgram(): McpProgram {
  return program([...RUN, `${HERE}/new_era.ts`]);
}

export function program(args: string[], env: Record<string, string> = {}): McpProgram {
  return { command: Deno.execPath(), args, env: { NO_COLOR: "1", ...env } };
}

/** What a test may choose. */
export interface Choices {
  clock?: Clock;
  environment?: Record<string, string>;
  startMs?: number;
  timeoutMs?: number;
  secrets?: string[];
  signIn?: SignInParts;
}

/** Runs a server for a test, and ends it. */
export async function withServer(
  target: McpProgram | McpUrl,
  test: (server: McpServer) => Promise<void>,
  { clock = systemClock, environment, startMs, timeoutMs, secrets = [], signIn }: Choices = {},
): Promise<void> {
  const config: McpServerConfig = {
    name: "s",
    title: "the server",
    target,
    secrets,
    ...timeoutMs !== undefined && { timeoutMs },
  };
  const server = new McpServer(config, {
    clock,
    environment: environment ?? Deno.env.toObject(),
    version: "0.0.0",
    mask: createMask(secrets),
    ...startMs !== undefined && { startMs },
    ...signIn && { signIn },
  });
  try {
    await test(server);
  } finally {
    await server.close();
  }
}

/** Calls a tool. */
export function call(
  server: McpServer,
  tool: string,
  input: JsonObject = {},
  signal: AbortSignal = new AbortController().signal,
  progress: (output: Json) => void = () => {},
): Promise<ToolResult> {
  const ids = { id: "call", runId: "run", chatId: "chat", ownerId: "owner" };
  return server.execute(tool, { ...ids, tool, input, answers: {} }, signal, progress);
}

/** Resolves once a condition holds, which some event of another process makes true. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !await holds(); tries++) {
    if (tries === 3_000) throw new Error("it never came to hold");
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
