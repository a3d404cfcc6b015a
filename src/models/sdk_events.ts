import { isJsonObject, type Json, type JsonObject } from "../domain/json.ts";
import type { ProviderType } from "../domain/provider.ts";
import { eventsIn, type ServerEvent } from "./chat/events.ts";
import { Grace } from "./grace.ts";
import { deltasOf } from "./whole_answer.ts";

/** The events that end an answer or come in near forms; all others go on as they are. */
const MARKS: Partial<Record<ProviderType, RegExp>> = {
  anthropic: /"(message_start|message_delta|message_stop|content_block_start)"|^data: ?$/m,
  openai: /"response\.(completed|incomplete|failed)"|^data: ?$/m,
  google: /^/,
};

const STOP: JsonObject = { type: "message_stop" };

/**
 * The events of an answer that the AI SDK's packages read. They know the strict forms alone, and wait
 * for the end of the connection: this mends near forms, and sees where the answer ends.
 */
export class SdkEvents {
  /** True once the dialect has said that nothing more comes. */
  isOver = false;
  #counted = false;
  /** True if all that is missing is the word that it was all. */
  #isWhole = false;
  readonly #grace = new Grace();
  readonly #marks: RegExp | undefined;

  constructor(private readonly type: ProviderType) {
    this.#marks = MARKS[type];
  }

  /** Milliseconds left for what a finished answer may still bring; undefined before that. */
  get left(): number | undefined {
    return this.#grace.left(this.#counted);
  }

  /** Takes whole events, and gives them as the SDK knows them. */
  take(text: string): string {
    const last = text.lastIndexOf("\n\n");
    const whole = last < 0 ? 0 : last + 2;
    const isHalf = this.#isWhole && whole < text.length;
    if (!this.#marks?.test(text) && !isHalf) return text;
    const isEvent = eventsIn(text.slice(whole)).every((event) => "value" in event);
    const events = [...eventsIn(isEvent ? text : text.slice(0, whole))];
    const mended = events.flatMap((event) => this.#mend(event));
    // What a body ends with in the middle of an event stays as it is, unless the answer was whole before.
    return written(mended, isEvent || this.#isWhole ? "" : text.slice(whole));
  }

  /** What the answer lacks when its connection is closed. */
  end(): string | undefined {
    return this.#isWhole && !this.isOver ? written([{ name: "", value: STOP }]) : undefined;
  }

  #mend(event: ServerEvent): ServerEvent[] {
    if ("text" in event) return event.text.trim() === "" ? [] : [event];
    const { name, value } = event;
    if (!isJsonObject(value)) return [event];
    const values = this.type === "anthropic"
      ? this.#claude(value)
      : this.type === "google"
      ? [this.#gemini(value)]
      : [this.#responses(value)];
    return values.map((value) => ({ name: values.length > 1 ? "" : name, value }));
  }

  #claude(value: JsonObject): JsonObject[] {
    const { message, delta, usage, content_block: block, index } = value;
    switch (value["type"]) {
      case "message_start": {
        if (!isJsonObject(message)) return [];
        const counted = counts(message["usage"], "input_tokens", "output_tokens");
        return [{ ...value, message: { ...message, usage: counted } }];
      }
      case "message_delta":
        this.#isWhole ||= isJsonObject(delta) && typeof delta["stop_reason"] === "string";
        return [{ ...value, usage: counts(usage, "output_tokens") }];
      case "content_block_start": {
        if (!isJsonObject(block) || typeof index !== "number") return [value];
        const { empty, deltas } = deltasOf(block, index);
        return [{ ...value, content_block: empty }, ...deltas];
      }
      case "message_stop":
        this.isOver = true;
    }
    return [value];
  }

  #gemini(value: JsonObject): JsonObject {
    const { candidates, usageMetadata } = value;
    this.#counted ||= isJsonObject(usageMetadata);
    const mended = Array.isArray(candidates)
      ? candidates.filter(isJsonObject).map(candidateOf)
      : [];
    if (mended.some(({ finishReason }) => typeof finishReason === "string")) this.#grace.begin();
    return {
      ...value,
      ...(candidates !== undefined && { candidates: mended }),
      ...(isJsonObject(usageMetadata) && { usageMetadata: counts(usageMetadata) }),
    };
  }

  #responses(value: JsonObject): JsonObject {
    this.isOver ||= MARKS.openai!.test(`"${value["type"]}"`);
    return value;
  }
}

function candidateOf({ content, finishReason, ...others }: JsonObject): JsonObject {
  const parts = isJsonObject(content) ? content["parts"] : undefined;
  return {
    ...others,
    ...(isJsonObject(content) && {
      content: { ...content, ...(Array.isArray(parts) && { parts: parts.filter(isJsonObject) }) },
    }),
    ...(typeof finishReason === "string" && { finishReason: finishReason.toUpperCase() }),
  };
}

/** Counts of tokens: numbers that came as texts, none that came as null, and zeros that are needed. */
function counts(usage: Json | undefined, ...needed: string[]): JsonObject {
  const given = Object.entries(isJsonObject(usage) ? usage : {}).flatMap(([key, value]) => {
    const isText = typeof value === "string" && /^\d+$/.test(value);
    return value === null ? [] : [[key, isText ? Number(value) : value] as const];
  });
  return { ...Object.fromEntries(needed.map((key) => [key, 0])), ...Object.fromEntries(given) };
}

function written(events: readonly ServerEvent[], rest = ""): string {
  const text = events.map((event) => {
    const name = event.name === "" ? "" : `event: ${event.name}\n`;
    return `${name}data: ${"value" in event ? JSON.stringify(event.value) : event.text}\n\n`;
  });
  return text.join("") + rest;
}
