/** Messages as AI SDK 5, 6 and 7 have them: nearly the neutral form itself. */
import type { Json, JsonObject } from "../domain/json.ts";
import { isUnknownPart, type Message, type Part } from "../domain/message.ts";
import type { Usage } from "../domain/usage.ts";

/** A message in AI SDK 5+'s form. */
export interface UiMessage {
  id: string;
  role: string;
  parts: Json[];
  metadata?: JsonObject;
}

/** A message as AI SDK 5+'s clients show it. */
export function toUi(message: Message): UiMessage {
  const { usage, model } = message;
  const answer = message.role === "assistant" && usage && model
    ? answerMetadata({ usage, model })
    : {};
  const metadata = { ...message.metadata, ...answer };
  return {
    id: message.id,
    role: message.role,
    parts: message.parts.map(renderPart),
    ...(Object.keys(metadata).length > 0 && { metadata }),
  };
}

/** What an answer's metadata says of its making: in the last frame and in the history alike. */
export function answerMetadata({ usage, model }: { usage: Usage; model: string }): JsonObject {
  const { inputTokens, outputTokens } = usage;
  return {
    totalUsage: { inputTokens, outputTokens, totalTokens: inputTokens + outputTokens },
    model,
  };
}

function renderPart(part: Part): Json {
  return isUnknownPart(part) ? part.value : part as unknown as JsonObject;
}
