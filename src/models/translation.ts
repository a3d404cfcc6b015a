import type { LanguageModelV4StreamPart, SharedV4ProviderMetadata } from "@ai-sdk/provider";
import type { ProviderMetadata, RunEvent } from "../domain/event.ts";
import type { Json } from "../domain/json.ts";
import type { ToolDefinition } from "../domain/tool.ts";
import { JsonShape } from "../net/json_shape.ts";
import { Trouble } from "../net/trouble.ts";

/** What the arguments of a tool call may be. */
const ARGUMENTS = { depth: 64, values: 50_000 };

/** Turns a provider's parts into neutral events. */
export class Translation {
  /** Characters of output so far, for an estimate if the provider counts no tokens. */
  characters = 0;
  readonly #metadata = new Map<string, ProviderMetadata>();
  /** The blocks and calls that have begun: some providers say nothing of it. */
  readonly #begun = new Set<string>();
  readonly #emit: (event: RunEvent) => void;
  /** By name of each tool that was offered: true if this server runs it, false if the client does. */
  readonly #offered: ReadonlyMap<string, boolean>;

  constructor(emit: (event: RunEvent) => void, tools: readonly ToolDefinition[]) {
    this.#emit = emit;
    this.#offered = new Map(tools.map((tool) => [tool.name, "server" in tool]));
  }

  /** Emits what a part says; nothing for kinds that chats do not show. */
  part(part: LanguageModelV4StreamPart): void {
    switch (part.type) {
      case "text-start":
        this.#note(part);
        this.#begun.add(part.id);
        return this.#emit({ type: part.type, id: part.id });
      case "reasoning-start":
        this.#begun.add(part.id);
        return this.#emit({ type: part.type, id: part.id, ...metadataOf(part) });
      case "text-delta":
        this.#begin("text-start", part.id);
        return this.#delta({ type: part.type, id: part.id, text: part.delta });
      case "reasoning-delta":
        // A signature comes as metadata of an empty delta: it belongs to the whole block.
        this.#begin("reasoning-start", part.id);
        this.#note(part);
        return this.#delta({ type: part.type, id: part.id, text: part.delta });
      case "tool-input-delta":
        return this.#delta({ type: part.type, toolCallId: part.id, text: part.delta });
      case "text-end":
      case "reasoning-end":
        this.#note(part);
        return this.#emit({ type: part.type, id: part.id, ...this.#noted(part.id) });
      case "tool-input-start":
        return this.#emit({ type: part.type, toolCallId: part.id, ...this.#tool(part) });
      case "tool-call":
        return this.#emit({ ...inputOf(part), toolCallId: part.toolCallId, ...this.#tool(part) });
      case "tool-result":
        return part.preliminary ? undefined : this.#emit(resultEvent(part));
      case "source":
        return this.#emit(sourceEvent(part));
      case "file":
        return this.#emit(fileEvent(part));
    }
  }

  #begin(type: "text-start" | "reasoning-start", id: string): void {
    if (this.#begun.has(id)) return;
    this.#begun.add(id);
    this.#emit({ type, id });
  }

  #delta(event: Extract<RunEvent, { text: string }>): void {
    if (event.text === "") return;
    this.characters += event.text.length;
    this.#emit(event);
  }

  #tool({ toolName, providerExecuted }: { toolName: string; providerExecuted?: boolean }) {
    return {
      toolName,
      ...(providerExecuted && { providerExecuted: true as const }),
      ...(this.#offered.get(toolName) === false && { declared: true as const }),
      ...(this.#offered.get(toolName) === true && { server: true as const }),
    };
  }

  #note({ id, providerMetadata }: { id: string; providerMetadata?: SharedV4ProviderMetadata }) {
    if (!providerMetadata) return;
    const noted = this.#metadata.get(id);
    this.#metadata.set(id, { ...noted, ...providerMetadata as ProviderMetadata });
  }

  #noted(id: string): { providerMetadata?: ProviderMetadata } {
    const providerMetadata = this.#metadata.get(id);
    this.#metadata.delete(id);
    return providerMetadata ? { providerMetadata } : {};
  }
}

type PartOf<T> = Extract<LanguageModelV4StreamPart, { type: T }>;

function inputOf(part: PartOf<"tool-call">) {
  try {
    new JsonShape(ARGUMENTS).scan(new TextEncoder().encode(part.input));
    // Providers send an empty text for a call without arguments.
    const input: Json = part.input.trim() === "" ? {} : JSON.parse(part.input);
    return { type: "tool-input" as const, input, ...metadataOf(part) };
  } catch (error) {
    const errorText = error instanceof Trouble
      ? `The model's arguments are too much: it ${error.message}.`
      : "The model's arguments are not JSON.";
    return { type: "tool-input-error" as const, input: part.input, errorText };
  }
}

function resultEvent({ toolCallId, isError, result }: PartOf<"tool-result">): RunEvent {
  const call = { toolCallId, providerExecuted: true } as const;
  if (!isError) return { type: "tool-output", ...call, output: result as Json };
  const errorText = typeof result === "string" ? result : JSON.stringify(result);
  return { type: "tool-output-error", ...call, errorText };
}

function sourceEvent(part: PartOf<"source">): RunEvent {
  const common = { sourceId: part.id, ...metadataOf(part) };
  if (part.sourceType === "url") {
    const title = part.title !== undefined && { title: part.title };
    return { type: "source-url", url: part.url, ...title, ...common };
  }
  const { mediaType, title } = part;
  const filename = part.filename !== undefined && { filename: part.filename };
  return { type: "source-document", mediaType, title, ...filename, ...common };
}

function fileEvent(part: PartOf<"file">): RunEvent {
  const { type, mediaType, data } = part;
  const url = data.type === "url" ? data.url.href : dataUrl(mediaType, data.data);
  return { type, mediaType, url, ...metadataOf(part) };
}

function dataUrl(mediaType: string, data: string | Uint8Array): string {
  return `data:${mediaType};base64,${typeof data === "string" ? data : data.toBase64()}`;
}

function metadataOf({ providerMetadata }: { providerMetadata?: SharedV4ProviderMetadata }) {
  return providerMetadata ? { providerMetadata: providerMetadata as ProviderMetadata } : {};
}
