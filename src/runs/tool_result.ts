/** What came of a call, as events, with its files kept. */
import type { RunEvent } from "../domain/event.ts";
import { type ChatFile, filePath } from "../domain/file.ts";
import type { ToolPart } from "../domain/message.ts";
import type { ToolCall, ToolFile, ToolResult } from "../domain/tool.ts";
import type { Parts } from "./parts.ts";

type Needed = Pick<Parts, "files" | "fileLimits" | "ids" | "clock">;

/** Types that a browser may show: what a tool says of any other is not believed. */
const SHOWN =
  /^(image\/(png|jpeg|gif|webp|avif)|audio\/[\w.+-]+|video\/[\w.+-]+|application\/pdf)$/;

/** The events of a result: the result itself, then its files. */
export async function resultEvents(
  { toolCallId }: ToolPart,
  result: Exclude<ToolResult, { question: unknown }>,
  call: Pick<ToolCall, "chatId" | "ownerId">,
  parts: Needed,
): Promise<RunEvent[]> {
  if ("errorText" in result) {
    return [{ type: "tool-output-error", toolCallId, errorText: result.errorText }];
  }
  const events: RunEvent[] = [{ type: "tool-output", toolCallId, output: result.output }];
  for (const file of result.files ?? []) {
    const kept = await keep(file, call, parts);
    if (kept) events.push({ type: "file", mediaType: kept.mediaType, url: filePath(kept) });
  }
  return events;
}

/** Keeps a file; undefined if the chat or its owner has too many. */
async function keep(
  { mediaType, bytes, filename }: ToolFile,
  { chatId, ownerId }: Pick<ToolCall, "chatId" | "ownerId">,
  { files, fileLimits, ids, clock }: Needed,
): Promise<ChatFile | undefined> {
  if (bytes.length > fileLimits.bytes) return undefined;
  const file: ChatFile = {
    id: ids.uuid(),
    chatId,
    ownerId,
    mediaType: SHOWN.test(mediaType) ? mediaType : "application/octet-stream",
    filename: filename ?? null,
    size: bytes.length,
    createdAt: clock.now(),
  };
  return await files.add(file, bytes, fileLimits) === "added" ? file : undefined;
}
