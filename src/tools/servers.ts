import type { Clock } from "../domain/clock.ts";
import type { McpServerConfig } from "../domain/mcp.ts";
import type { Mask } from "../observe/mask.ts";
import { demoTools } from "./demo.ts";
import type { ToolServer } from "./tool_server.ts";

/** Which tool servers there are, and what they need. */
export interface ToolServersOptions {
  mcpServers: readonly McpServerConfig[];
  /** Where the tokens of MCP servers are kept, and where browsers come back to from a sign-in. */
  signIn: { folder: string; redirectUrl: string } | undefined;
  /** The folder that models may work in. */
  workspace: string | undefined;
  /** True if the built-in model is the only one: no other is given its tools. */
  isDemo: boolean;
  /** Parley's environment, of which programs get a few variables. */
  environment: Readonly<Record<string, string | undefined>>;
  version: string;
  clock: Clock;
  mask: Mask;
}

/** The tool servers, in the order of their names. What none of them needs is not loaded. */
export async function toolServers(options: ToolServersOptions): Promise<ToolServer[]> {
  const { mcpServers, workspace, isDemo, environment, clock } = options;
  const servers: ToolServer[] = isDemo ? [demoTools()] : [];
  if (mcpServers.length > 0) {
    const { McpServer } = await import("./mcp/mcp_server.ts");
    const { signIn, ...rest } = options;
    const parts = { ...rest, ...(signIn && { signIn }) };
    for (const config of mcpServers) servers.push(new McpServer(config, parts));
  }
  if (workspace !== undefined) {
    const { Workspace } = await import("./workspace/workspace.ts");
    servers.push(new Workspace({ root: workspace, ownEnv: environment, clock }));
  }
  if (mcpServers.length > 0 || workspace !== undefined) {
    // Programs of the same user could read the keys in it.
    const { closeToOthers } = await import("./workspace/closing.ts");
    closeToOthers();
  }
  return servers.sort((a, b) => a.name < b.name ? -1 : 1);
}

/** Reads what the workspace tells models, in `AGENTS.md`; undefined if there is no workspace. */
export function instructionsIn(
  workspace: string | undefined,
): (() => Promise<string | undefined>) | undefined {
  if (workspace === undefined) return undefined;
  return async () => await (await import("./workspace/agents_file.ts")).agentsFile(workspace);
}
