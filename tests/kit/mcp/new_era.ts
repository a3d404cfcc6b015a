/** A server of the era of 2026 alone: a program by standard input and output, or a handler for HTTP. */
import { createMcpHandler, McpServer } from "@modelcontextprotocol/server";
import { serveStdio } from "@modelcontextprotocol/server/stdio";
import { z } from "zod";

/** Its tools; `add` adds one and says so, `slow` goes on until it is stopped. */
export function newEraServer(
  onAdd: () => void = () => {},
  onStop: () => void = () => {},
  added: string[] = [],
): McpServer {
  const server = new McpServer({ name: "new", version: "1.0.0" }, {
    capabilities: { tools: { listChanged: true } },
  });
  const readOnly = { annotations: { readOnlyHint: true } };
  server.registerTool(
    "echo",
    { ...readOnly, inputSchema: z.object({ text: z.string() }) },
    ({ text }) => ({ content: [{ type: "text", text }] }),
  );
  server.registerTool("slow", { inputSchema: z.object({}) }, async (_, { mcpReq }) => {
    const progressToken = mcpReq._meta?.progressToken;
    if (progressToken !== undefined) {
      await mcpReq.notify({
        method: "notifications/progress",
        params: { progressToken, progress: 1, total: 2, message: "half" },
      });
    }
    await new Promise((resolve) => mcpReq.signal.addEventListener("abort", resolve));
    onStop();
    return { content: [] };
  });
  const none = () => ({ content: [{ type: "text" as const, text: "done" }] });
  for (const name of added) server.registerTool(name, { inputSchema: z.object({}) }, none);
  server.registerTool("add", { inputSchema: z.object({ name: z.string() }) }, ({ name }) => {
    added.push(name);
    server.registerTool(name, { inputSchema: z.object({}) }, none);
    onAdd();
    return none();
  });
  return server;
}

/** Serves it by HTTP; `onStop` is called when a call of `slow` is stopped. */
export function newEraHttp(onStop: () => void) {
  const added: string[] = [];
  const handler = createMcpHandler(
    () => newEraServer(() => handler.notify.toolsChanged(), onStop, added),
    { legacy: "reject" },
  );
  return handler;
}

if (import.meta.main) serveStdio(() => newEraServer(), { legacy: "reject" });
