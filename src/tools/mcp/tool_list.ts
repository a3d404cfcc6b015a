import type { ListToolsResult } from "@modelcontextprotocol/client";
import type { OwnTool } from "../tool_server.ts";
import type { JsonObject } from "../../domain/json.ts";

const MAX_TOOLS = 1_000;
const MAX_PAGES = 100;
/** In characters of JSON. */
const MAX_LENGTH = 4 * 1024 * 1024;

/** All tools of a server by name, within bounds; of two with one name the first. */
export async function listTools(
  page: (cursor: string | undefined) => Promise<ListToolsResult>,
): Promise<readonly OwnTool[]> {
  const tools = new Map<string, OwnTool>();
  let cursor: string | undefined;
  let length = 0;
  for (let pages = 0; pages < MAX_PAGES; pages++) {
    const { tools: more, nextCursor } = await page(cursor);
    for (const tool of more) {
      length += JSON.stringify(tool).length;
      if (tools.size === MAX_TOOLS || length > MAX_LENGTH) return inOrder(tools);
      if (!tools.has(tool.name)) tools.set(tool.name, ownTool(tool));
    }
    // A cursor that leads to itself would never end.
    if (nextCursor === undefined || nextCursor === cursor) break;
    cursor = nextCursor;
  }
  return inOrder(tools);
}

function inOrder(tools: Map<string, OwnTool>): OwnTool[] {
  return [...tools.values()].sort((a, b) => a.name < b.name ? -1 : 1);
}

function ownTool(tool: ListToolsResult["tools"][number]): OwnTool {
  return {
    name: tool.name,
    ...tool.description !== undefined && { description: tool.description },
    schema: tool.inputSchema as JsonObject,
    readOnly: tool.annotations?.readOnlyHint ?? false,
    idempotent: tool.annotations?.idempotentHint ?? false,
  };
}
