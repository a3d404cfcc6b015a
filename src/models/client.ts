import {
  type LanguageModelV4,
  type LanguageModelV4CallOptions,
  type LanguageModelV4StreamPart,
  TypeValidationError,
} from "@ai-sdk/provider";
import { isJsonObject, type Json, type JsonObject } from "../domain/json.ts";
import { errorOf } from "./chat/answer.ts";

/** Takes a part of an answer; a promise asks the caller to read no more until it resolves. */
export type TakePart = (part: LanguageModelV4StreamPart) => Promise<void> | void;

/** A model that answers in the parts of the AI SDK. */
export interface ModelClient {
  /**
   * Asks the model and calls `take` for each part of its answer, in order. `signal` closes the
   * provider's connection.
   * @throws the provider's refusal, or what broke the connection. A failure that the provider reports
   * within its answer is a part of type `error`.
   */
  stream(options: ModelRequest, signal: AbortSignal, take: TakePart): Promise<void>;
}

/** What a model is asked. */
export type ModelRequest = Omit<LanguageModelV4CallOptions, "abortSignal">;

/** A model of the AI SDK. */
export function sdkClient(model: LanguageModelV4): ModelClient {
  return {
    async stream(options, signal, take) {
      const { stream } = await model.doStream({ ...options, abortSignal: signal });
      const reader = stream.getReader();
      for (let read = await reader.read(); !read.done; read = await reader.read()) {
        const part = tolerant(read.value);
        const wait = part && take(part);
        if (wait) await wait;
      }
    },
  };
}

/** The SDK makes an error of each event of a form that it does not know: only some are errors. */
function tolerant(part: LanguageModelV4StreamPart): LanguageModelV4StreamPart | undefined {
  if (part.type !== "error" || !TypeValidationError.isInstance(part.error)) return part;
  const { value } = part.error;
  const error = isJsonObject(value as Json) ? errorOf("", value as JsonObject) : undefined;
  return error === undefined ? undefined : { type: "error", error };
}
