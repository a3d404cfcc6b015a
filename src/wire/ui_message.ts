/** Messages in the form of AI SDK 5, 6 and 7: nearly the neutral form itself. */
import type { Json, JsonObject } from "../domain/json.ts";
import { isUnknownPart, type Message, type Part } from "../domain/message.ts";
import type { Usage } from "../domain/usage.ts";
import { unfinished } from "./unfinished.ts";

/** A message in AI SDK 5+'s form. */
export interface UiMessage {
  id: string;
  role: string;
  parts: Json[];
  metadata?: JsonObject;
}

/** Renders a message for AI SDK 5+ clients. */
export function toUi(message: Message): UiMessage {
  const { usage, model } = message;
  const answer = message.role === "assistant" && usage && model
    ? answerMetadata({ usage, model })
    : {};
  const metadata = { ...message.metadata, ...answer, ...unfinished(message) };
  return {
    id: message.id,
    role: message.role,
    parts: message.parts.map(renderPart),
    ...(Object.keys(metadata).length > 0 && { metadata }),
  };
}

/** An answer's usage and model as metadata, the same in the last frame and in the history. */
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
