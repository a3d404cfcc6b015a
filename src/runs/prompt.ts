/** History to what a model is asked: pure, and the same bytes again for the same history. */
import type {
  LanguageModelV4FilePart,
  LanguageModelV4Message,
  LanguageModelV4Prompt,
  LanguageModelV4ToolResultOutput,
} from "@ai-sdk/provider";
import type { ProviderMetadata } from "../domain/event.ts";
import {
  type FilePart,
  isToolPart,
  type Message,
  type Part,
  toolNameOf,
  type ToolPart,
} from "../domain/message.ts";
import type { ProviderType } from "../domain/provider.ts";

type AssistantContent = Extract<LanguageModelV4Message, { role: "assistant" }>["content"];
type UserContent = Extract<LanguageModelV4Message, { role: "user" }>["content"];

/**
 * The prompt for a history, oldest message first. It always keeps the providers' rules: it begins
 * with a user's message, two of one speaker in a row are one, nobody says nothing, and every tool
 * call is followed by its result.
 */
export function buildPrompt(
  history: readonly Message[],
  target: { type: ProviderType; system: string | undefined },
): LanguageModelV4Prompt {
  const prompt: LanguageModelV4Prompt = [];
  if (target.system) prompt.push({ role: "system", content: target.system });
  for (const message of history) {
    if (message.role === "user") addUser(prompt, userContent(message.parts));
    if (message.role === "assistant") addAnswer(prompt, message.parts, target.type);
  }
  return prompt;
}

function addUser(prompt: LanguageModelV4Prompt, content: UserContent): void {
  if (content.length === 0) return;
  const last = prompt.at(-1);
  // An answer that never came leaves two messages of the user in a row.
  if (last?.role === "user") last.content.push(...content);
  else prompt.push({ role: "user", content });
}

function userContent(parts: readonly Part[]): UserContent {
  return parts.flatMap((part): UserContent => {
    if (part.type === "text" && part.text !== "") return [{ type: "text", text: part.text }];
    if (part.type === "file") return [filePart(part)];
    return [];
  });
}

function addAnswer(
  prompt: LanguageModelV4Prompt,
  parts: readonly Part[],
  type: ProviderType,
): void {
  for (const step of splitSteps(parts)) {
    const content = step.flatMap((part) => assistantContent(part, type));
    if (content.length === 0 || content.every(({ type }) => type === "reasoning")) continue;
    prompt.push({ role: "assistant", content });
    const results = step.filter(isOwnTool).map((part) => ({
      type: "tool-result" as const,
      toolCallId: part.toolCallId,
      toolName: toolNameOf(part),
      output: toolOutput(part),
    }));
    if (results.length > 0) prompt.push({ role: "tool", content: results });
  }
}

function splitSteps(parts: readonly Part[]): Part[][] {
  const steps: Part[][] = [[]];
  for (const part of parts) {
    if (part.type === "step-start") steps.push([]);
    else steps.at(-1)!.push(part);
  }
  return steps;
}

function assistantContent(part: Part, type: ProviderType): AssistantContent {
  switch (part.type) {
    case "text":
      if (part.text === "") return [];
      return [{ type: "text", text: part.text, ...signed(part.providerMetadata, type) }];
    case "reasoning": {
      const options = signed(part.providerMetadata, type);
      // Reasoning is only good for the provider that signed it.
      return "providerOptions" in options
        ? [{ type: "reasoning", text: part.text, ...options }]
        : [];
    }
    default:
      if (!isOwnTool(part)) return [];
      return [{
        type: "tool-call",
        toolCallId: part.toolCallId,
        toolName: toolNameOf(part),
        input: typeof part.input === "object" && part.input !== null ? part.input : {},
        ...signed(part.callProviderMetadata, type),
      }];
  }
}

/**
 * A provider's own notes, where they are signatures that it wants back. OpenAI's are references to
 * items on its servers, which may be gone: the text itself is sent instead.
 */
function signed(metadata: ProviderMetadata | undefined, type: ProviderType) {
  const own = type === "anthropic" || type === "google" ? metadata?.[type] : undefined;
  return own ? { providerOptions: { [type]: own } } : {};
}

/** Tools that the provider ran itself are its own business: its text tells what came of them. */
function isOwnTool(part: Part): part is ToolPart {
  return isToolPart(part) && !part.providerExecuted;
}

function toolOutput(part: ToolPart): LanguageModelV4ToolResultOutput {
  switch (part.state) {
    case "output-available":
      return typeof part.output === "string"
        ? { type: "text", value: part.output }
        : { type: "json", value: part.output ?? null };
    case "output-denied":
      return {
        type: "execution-denied",
        ...(part.approval?.reason !== undefined && { reason: part.approval.reason }),
      };
    case "output-error":
      return { type: "error-text", value: part.errorText ?? "The tool failed." };
    default:
      return { type: "error-text", value: "The tool was not run." };
  }
}

function filePart(part: FilePart): LanguageModelV4FilePart {
  const data = part.url.startsWith("data:")
    ? { type: "data" as const, data: part.url.slice(part.url.indexOf(",") + 1) }
    : { type: "url" as const, url: new URL(part.url) };
  return {
    type: "file",
    mediaType: part.mediaType,
    data,
    ...(part.filename !== undefined && { filename: part.filename }),
  };
}
