/** What came of a call, told as events, with its files kept. */
import type { RunEvent } from "../domain/event.ts";
import { type ChatFile, filePath } from "../domain/file.ts";
import type { ToolPart } from "../domain/message.ts";
import type { ToolCall, ToolFile, ToolResult } from "../domain/tool.ts";
import type { Parts } from "./parts.ts";

type Needed = Pick<Parts, "files" | "fileLimits" | "ids" | "clock">;

/** Types that a browser may show: what a tool says of any other is not believed. */
const SHOWN =
  /^(image\/(png|jpeg|gif|webp|avif)|audio\/[\w.+-]+|video\/[\w.+-]+|application\/pdf)$/;

/** What a loop says to its run. `fits` counts an event; false if the answer has no room for it. */
export interface Listener {
  emit: (event: RunEvent) => void;
  fits: (event: RunEvent) => boolean;
}

/** Tells of a result, and then of its files, as far as the answer has room for them. */
export async function tellResult(
  { toolCallId }: ToolPart,
  result: Exclude<ToolResult, { question: unknown }>,
  call: Pick<ToolCall, "chatId" | "ownerId">,
  { emit, fits }: Listener,
  parts: Needed,
): Promise<void> {
  const event: RunEvent = "errorText" in result
    ? { type: "tool-output-error", toolCallId, errorText: result.errorText }
    : { type: "tool-output", toolCallId, output: result.output };
  if (!fits(event)) {
    const errorText = "The result is more than this answer has room for.";
    return emit({ type: "tool-output-error", toolCallId, errorText });
  }
  emit(event);
  for (const made of "errorText" in result ? [] : result.files ?? []) {
    const file = chatFile(made, call, parts);
    const shown: RunEvent = { type: "file", mediaType: file.mediaType, url: filePath(file) };
    // What the answer cannot show is not kept.
    if (!fits(shown)) return;
    if (await keep(file, made, parts)) emit(shown);
  }
}

function chatFile(
  { mediaType, bytes, filename }: ToolFile,
  { chatId, ownerId }: Pick<ToolCall, "chatId" | "ownerId">,
  { ids, clock }: Needed,
): ChatFile {
  return {
    id: ids.uuid(),
    chatId,
    ownerId,
    mediaType: SHOWN.test(mediaType) ? mediaType : "application/octet-stream",
    filename: filename ?? null,
    size: bytes.length,
    createdAt: clock.now(),
  };
}

/** Keeps a file; false if it is too large, or the chat or its owner has too many. */
async function keep(
  file: ChatFile,
  { bytes }: ToolFile,
  { files, fileLimits }: Needed,
): Promise<boolean> {
  return bytes.length <= fileLimits.bytes &&
    await files.add(file, bytes, fileLimits) === "added";
}
