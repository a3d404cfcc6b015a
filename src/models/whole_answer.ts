/** Answers that are no stream: a server that was asked for one sent JSON, or a page. */
import { isJsonObject, type Json, type JsonObject } from "../domain/json.ts";
import type { ProviderType } from "../domain/provider.ts";
import { errorOf } from "./chat/answer.ts";
import { eventsIn } from "./chat/events.ts";

/** An error that came as an answer: it is not asked for again. */
export class ErrorAnswer extends Error {
  override readonly name = "ErrorAnswer";
  /** `said`: the provider's own object or text. */
  constructor(readonly said: Json) {
    super("the provider answered with an error");
  }
}

/**
 * The events that a server should have sent, in the dialect of the type.
 * @throws {ErrorAnswer} if the answer is an error.
 */
export function streamOfWhole(type: ProviderType, whole: string): string {
  const values: JsonObject[] = [];
  for (const event of eventsIn(whole)) {
    if ("text" in event) throw new ErrorAnswer(event.text);
    // Google's list of what else would be events.
    for (const value of Array.isArray(event.value) ? event.value : [event.value]) {
      const error = isJsonObject(value) ? errorOf(event.name, value) : value;
      if (error !== undefined) throw new ErrorAnswer(error);
      values.push(value as JsonObject);
    }
  }
  const [message, ...more] = values;
  const isMessage = type === "anthropic" && message && more.length === 0;
  return (isMessage ? messageEvents(message) : values)
    .map((value) => `data: ${JSON.stringify(value)}\n\n`).join("");
}

/** Anthropic's events of a whole message. */
function messageEvents(message: JsonObject): Json[] {
  const { content, stop_reason = null, stop_sequence = null, usage = {} } = message;
  const blocks = Array.isArray(content) ? content.filter(isJsonObject) : [];
  return [
    { type: "message_start", message: { ...message, content: [], stop_reason: null } },
    ...blocks.flatMap((block, index) => blockEvents(block, index)),
    { type: "message_delta", delta: { stop_reason, stop_sequence }, usage },
    { type: "message_stop" },
  ];
}

function blockEvents(block: JsonObject, index: number): Json[] {
  const { empty, deltas } = deltasOf(block, index);
  const input = block["type"] === "tool_use" ? JSON.stringify(block["input"] ?? {}) : undefined;
  return [
    {
      type: "content_block_start",
      index,
      content_block: { ...empty, ...(input && { input: {} }) },
    },
    ...deltas,
    ...(input ? [deltaOf(index, { type: "input_json_delta", partial_json: input })] : []),
    { type: "content_block_stop", index },
  ];
}

/** A block of text or thoughts as it begins, and deltas of what it has already. */
export function deltasOf(
  block: JsonObject,
  index: number,
): { empty: JsonObject; deltas: JsonObject[] } {
  const { type, text, thinking, signature } = block;
  const deltas: JsonObject[] = [];
  const add = (type: string, field: string, value: Json | undefined) => {
    if (typeof value === "string" && value !== "") {
      deltas.push(deltaOf(index, { type, [field]: value }));
    }
  };
  if (type === "text") {
    add("text_delta", "text", text);
    return { empty: { ...block, text: "" }, deltas };
  }
  if (type !== "thinking") return { empty: block, deltas };
  add("thinking_delta", "thinking", thinking);
  add("signature_delta", "signature", signature);
  return { empty: { ...block, thinking: "" }, deltas };
}

function deltaOf(index: number, delta: JsonObject): JsonObject {
  return { type: "content_block_delta", index, delta };
}
