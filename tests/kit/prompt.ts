import type { LanguageModelV4Prompt } from "@ai-sdk/provider";
import type { Message } from "../../src/domain/message.ts";
import { PromptBuilder, type PromptTarget } from "../../src/runs/prompt.ts";

/** The prompt of a history, oldest message first. */
export function buildPrompt(
  history: readonly Message[],
  target: PromptTarget,
): LanguageModelV4Prompt {
  const builder = new PromptBuilder(target);
  history.forEach((message, index) =>
    builder.add({ ...message, key: String(index), parentKey: null })
  );
  return builder.promptWith(NOTHING).messages;
}

const NOTHING: Message = {
  id: "nothing",
  role: "user",
  parts: [],
  metadata: {},
  status: "completed",
  model: null,
  finishReason: null,
  usage: null,
  createdAt: 0,
};
