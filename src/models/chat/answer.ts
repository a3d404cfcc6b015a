import type { LanguageModelV4FinishReason, LanguageModelV4StreamPart } from "@ai-sdk/provider";
import { isJsonObject, type Json, type JsonObject } from "../../domain/json.ts";
import { Grace } from "../grace.ts";
import { REASONING, type ServerEvent } from "./events.ts";
import { ToolCalls } from "./tool_calls.ts";
import { usageOf } from "./usage.ts";

type Emit = (part: LanguageModelV4StreamPart) => void;

/** What servers call the reasons to end, beside the dialect's own. */
const REASONS: Record<string, LanguageModelV4FinishReason["unified"]> = {
  stop: "stop",
  eos: "stop",
  eos_token: "stop",
  end_turn: "stop",
  stop_sequence: "stop",
  length: "length",
  max_tokens: "length",
  model_length: "length",
  tool_calls: "tool-calls",
  tool_use: "tool-calls",
  function_call: "tool-calls",
  content_filter: "content-filter",
  safety: "content-filter",
  refusal: "content-filter",
};

/**
 * Makes parts of a chat completion, in the words of the AI SDK. Takes every form that servers of this
 * dialect send: fields that are missing, null, empty or of the neighbouring type mean nothing.
 */
export class ChatAnswer {
  readonly #emit: Emit;
  readonly #calls: ToolCalls;
  #open: { kind: "text" | "reasoning"; id: string } | undefined;
  #blocks = 0;
  #hasText = false;
  #refused = false;
  #failed = false;
  #reason: string | undefined;
  readonly #grace = new Grace();
  #usage: JsonObject | undefined;
  #details: Json[] = [];
  #sources = new Set<string>();

  constructor(emit: Emit, newId: () => string) {
    this.#emit = emit;
    this.#calls = new ToolCalls(emit, newId);
  }

  /** True once the server named its reason to end: only the count of tokens can still come. */
  get isFinished(): boolean {
    return this.#reason !== undefined;
  }

  /** Milliseconds left for what a finished answer may still bring; undefined before that. */
  get left(): number | undefined {
    return this.#grace.left(this.#usage !== undefined);
  }

  /** Takes an event; true if it ends the answer. An error is emitted as a part. */
  take(event: ServerEvent): boolean {
    if (!("value" in event)) return this.#takeText(event);
    const { name, value } = event;
    if (!isJsonObject(value)) return false;
    const error = errorOf(name, value);
    if (error !== undefined) return this.#fail(error);
    const choice = first(value["choices"]) ?? ollamaChoice(value);
    const usage = [value["usage"], choice?.["usage"], object(value["x_groq"])?.["usage"]]
      .find(isJsonObject);
    if (usage) this.#usage = usage;
    this.#cite(value["citations"]);
    if (choice) this.#takeChoice(choice);
    return false;
  }

  /** Ends the open blocks and says how the answer ended. Without a reason it broke off. */
  end(isDone: boolean): void {
    if (this.#failed) return;
    this.#close();
    const calls = this.#calls.end(
      this.#details.length > 0 ? { reasoning_details: this.#details } : {},
    );
    const raw = this.#reason ?? (isDone ? "stop" : undefined);
    const unified = this.#refused && raw === "stop"
      ? "content-filter"
      : calls > 0 && raw === "stop"
      ? "tool-calls"
      : REASONS[raw?.toLowerCase() ?? ""] ?? "other";
    this.#emit({ type: "finish", finishReason: { unified, raw }, usage: usageOf(this.#usage) });
  }

  #takeText({ name, text }: { name: string; text: string }): boolean {
    if (text.trim().toUpperCase() === "[DONE]") return true;
    return (name === "error" || /^error\b/i.test(text)) && this.#fail(text);
  }

  /** An error ends the answer, unless it has ended already. */
  #fail(error: Json): true {
    this.#failed = !this.isFinished;
    if (this.#failed) this.#emit({ type: "error", error });
    return true;
  }

  #takeChoice(choice: JsonObject): void {
    const whole = object(choice["message"]);
    const delta = object(choice["delta"]) ?? whole ?? choice;
    // Some servers repeat the whole answer at its end.
    if (delta !== whole || !this.#hasText) this.#takeDelta(delta);
    const reason = choice["finish_reason"] ?? choice["stop_reason"];
    if (reason === null || reason === undefined || reason === "") return;
    this.#reason = String(reason);
    this.#grace.begin();
  }

  #takeDelta(delta: JsonObject): void {
    const field = REASONING.find((key) => textOf(delta[key]) !== "");
    const details = list(delta["reasoning_details"]);
    const thoughts = field ? textOf(delta[field]) : details.map(thoughtOf).join("");
    this.#add("reasoning", thoughts, field);
    this.#details.push(...details);
    this.#takeContent(delta["content"] ?? delta["text"]);
    const refusal = delta["refusal"];
    if (typeof refusal === "string" && refusal !== "") {
      this.#refused = true;
      this.#add("text", refusal);
    }
    for (const image of list(delta["images"])) this.#takeContent([image]);
    for (const note of list(delta["annotations"])) this.#cite(object(note)?.["url_citation"]);
    const old = object(delta["function_call"]);
    const calls = old ? [{ function: old }] : list(delta["tool_calls"]);
    if (calls.length === 0) return;
    if (this.#open?.kind === "reasoning") this.#close();
    for (const call of calls) if (isJsonObject(call)) this.#calls.take(call);
  }

  /** Content is a text or, at some servers, a list of parts. */
  #takeContent(content: Json | undefined): void {
    if (!Array.isArray(content)) return this.#add("text", textOf(content));
    for (const part of content) {
      if (!isJsonObject(part)) this.#add("text", textOf(part));
      else if (part["thinking"] !== undefined) this.#add("reasoning", textOf(part["thinking"]));
      else if (part["image_url"] !== undefined) this.#show(textOf(part["image_url"]));
      else this.#add("text", textOf(part));
    }
  }

  /** `field`: where the server put it, and wants it back. */
  #add(kind: "text" | "reasoning", delta: string, field?: string): void {
    if (delta === "") return;
    if (this.#open?.kind !== kind) {
      this.#close();
      this.#open = { kind, id: `${kind}-${this.#blocks++}` };
      const noted = field !== undefined && { providerMetadata: { compatible: { field } } };
      this.#emit({ type: `${kind}-start`, id: this.#open.id, ...noted });
    }
    if (kind === "text") this.#hasText = true;
    this.#emit({ type: `${kind}-delta`, id: this.#open.id, delta });
  }

  #close(): void {
    if (!this.#open) return;
    const { kind, id } = this.#open;
    this.#open = undefined;
    this.#emit({ type: `${kind}-end`, id });
  }

  #show(url: string): void {
    const comma = url.indexOf(",");
    const head = url.slice(0, Math.max(0, comma));
    if (head.startsWith("data:") && head.endsWith(";base64")) {
      const mediaType = head.slice("data:".length, head.indexOf(";"));
      const data = url.slice(comma + 1);
      if (mediaType && data) this.#emit({ type: "file", mediaType, data: { type: "data", data } });
    } else if (URL.canParse(url)) {
      this.#emit({ type: "file", mediaType: "image/*", data: { type: "url", url: new URL(url) } });
    }
  }

  #cite(sources: Json | undefined): void {
    for (const source of list(sources)) {
      const url = textOf(isJsonObject(source) ? source["url"] : source);
      if (!URL.canParse(url) || this.#sources.has(url)) continue;
      this.#sources.add(url);
      const title = isJsonObject(source) ? textOf(source["title"]) : "";
      const id = `source-${this.#sources.size}`;
      this.#emit({ type: "source", sourceType: "url", id, url, ...(title !== "" && { title }) });
    }
  }
}

/** The choice in an event of Ollama's own API, which proxies let through. */
function ollamaChoice({ message, done, done_reason, ...others }: JsonObject) {
  if (typeof done !== "boolean") return undefined;
  const { prompt_eval_count, eval_count } = others;
  return {
    delta: message ?? {},
    finish_reason: done ? done_reason ?? "stop" : null,
    ...(done && { usage: { prompt_tokens: prompt_eval_count, completion_tokens: eval_count } }),
  } as JsonObject;
}

/** What an event says went wrong, if it does. */
export function errorOf(name: string, value: JsonObject): Json | undefined {
  const { error, choices, object: kind } = value;
  if (error !== undefined && error !== null && error !== false && error !== "") return value;
  if (name === "error" || kind === "error") return value;
  const said = ["detail", "message", "msg"].some((key) => typeof value[key] === "string");
  if (choices === undefined && value["usage"] === undefined && said) return value;
  const choice = first(choices);
  if (isJsonObject(choice?.["error"])) return choice["error"];
  return choice?.["finish_reason"] === "error" ? value : undefined;
}

/** The text in a value: a text, a number, or an object or list that has it. */
function textOf(value: Json | undefined, depth = 4): string {
  if (typeof value === "string") return value;
  if (typeof value === "number") return String(value);
  if (depth === 0) return "";
  if (Array.isArray(value)) return value.map((item) => textOf(item, depth - 1)).join("");
  if (!isJsonObject(value)) return "";
  return textOf(value["text"] ?? value["content"] ?? value["url"], depth - 1);
}

function thoughtOf(detail: Json): string {
  const { text, summary } = object(detail) ?? {};
  return textOf(text ?? summary);
}

function object(value: Json | undefined): JsonObject | undefined {
  return isJsonObject(value) ? value : undefined;
}

function list(value: Json | undefined): Json[] {
  if (value === null || value === undefined) return [];
  return Array.isArray(value) ? value : [value];
}

function first(value: Json | undefined): JsonObject | undefined {
  return list(value).find(isJsonObject);
}
