/** Tools that a test runs itself. */
import type { JsonObject } from "../../src/domain/json.ts";
import type { ToolCall, ToolEffects, ToolResult } from "../../src/domain/tool.ts";
import { policiesOf, type ToolPolicy } from "../../src/domain/tool_policy.ts";
import { ServerToolbox } from "../../src/tools/toolbox.ts";
import type { ToolServer } from "../../src/tools/tool_server.ts";

/** A tool of a test: what it does, and what it says of itself. */
export interface TestTool extends Partial<ToolEffects> {
  run: (
    call: ToolCall,
    signal: AbortSignal,
    progress: Parameters<ToolServer["execute"]>[3],
  ) => ToolResult | Promise<ToolResult>;
  schema?: JsonObject;
}

/** A toolbox with one server, `test`, whose tools are these: a model calls `test__NAME`. */
export function testToolbox(
  tools: Record<string, TestTool>,
  policies: ToolPolicy[] = [{ match: "*", action: "allow" }],
): ServerToolbox {
  const own = Object.entries(tools).map((
    [name, { readOnly = false, idempotent = false, schema }],
  ) => ({
    name,
    schema: schema ?? { type: "object" },
    readOnly,
    idempotent,
  }));
  const server: ToolServer = {
    name: "test",
    status: { status: "ready" },
    tools: () => Promise.resolve(own),
    execute: (tool, call, signal, progress) =>
      Promise.resolve(tools[tool]!.run(call, signal, progress)),
    close: () => Promise.resolve(),
  };
  return new ServerToolbox([server], policiesOf(policies));
}
