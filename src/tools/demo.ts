import type { ToolCall, ToolResult } from "../domain/tool.ts";
import type { OwnTool, ToolServer } from "./tool_server.ts";

const text = { type: "object", properties: { text: { type: "string" } }, required: ["text"] };

const TOOLS: readonly OwnTool[] = [
  {
    name: "count_words",
    description: "Counts the words of a text.",
    schema: { ...text, additionalProperties: false },
    readOnly: true,
    idempotent: true,
  },
  {
    name: "send_postcard",
    description: "Pretends to send a postcard with a text. Somebody has to say yes first.",
    schema: { ...text, additionalProperties: false },
    readOnly: false,
    idempotent: false,
  },
];

/** The tools of the built-in model, which shows a newcomer a call and an approval. */
export function demoTools(): ToolServer {
  return {
    name: "demo",
    status: { status: "ready" },
    tools: () => Promise.resolve(TOOLS),
    execute: (tool, { input }) => Promise.resolve(resultOf(tool, input)),
    close: () => Promise.resolve(),
  };
}

function resultOf(tool: string, { text }: ToolCall["input"]): ToolResult {
  const words = String(text).match(/\S+/g)?.length ?? 0;
  return { output: tool === "count_words" ? { words } : `Sent, with ${words} words on it.` };
}
