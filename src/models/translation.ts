import type { LanguageModelV4StreamPart, SharedV4ProviderMetadata } from "@ai-sdk/provider";
import type { ProviderMetadata, RunEvent } from "../domain/event.ts";
import type { Json, JsonObject } from "../domain/json.ts";

/** Turns a provider's parts into neutral events. */
export class Translation {
  /** Characters of output so far, for an estimate where the provider counts no tokens. */
  characters = 0;
  readonly #metadata = new Map<string, ProviderMetadata>();
  readonly #emit: (event: RunEvent) => void;

  readonly #declared: ReadonlySet<string>;

  /** `declared`: the names of the tools that the request brought. */
  constructor(emit: (event: RunEvent) => void, declared: ReadonlySet<string>) {
    this.#emit = emit;
    this.#declared = declared;
  }

  part(part: LanguageModelV4StreamPart): void {
    switch (part.type) {
      case "text-delta":
        if (part.delta === "") return;
        this.characters += part.delta.length;
        return this.#emit({ type: "text-delta", id: part.id, text: part.delta });
      case "reasoning-delta":
        // A signature comes as metadata of an empty delta: it belongs to the whole block.
        this.#note(part.id, part.providerMetadata);
        if (part.delta === "") return;
        this.characters += part.delta.length;
        return this.#emit({ type: "reasoning-delta", id: part.id, text: part.delta });
      case "text-start":
        this.#note(part.id, part.providerMetadata);
        return this.#emit({ type: "text-start", id: part.id });
      case "text-end":
        this.#note(part.id, part.providerMetadata);
        return this.#emit({ type: "text-end", id: part.id, ...this.#noted(part.id) });
      case "reasoning-start":
        return this.#emit({
          type: "reasoning-start",
          id: part.id,
          ...metadata(part.providerMetadata),
        });
      case "reasoning-end":
        this.#note(part.id, part.providerMetadata);
        return this.#emit({ type: "reasoning-end", id: part.id, ...this.#noted(part.id) });
      case "source":
        return this.#emit(sourceEvent(part));
      case "file":
        return this.#emit({
          type: "file",
          mediaType: part.mediaType,
          url: fileUrl(part),
          ...metadata(part.providerMetadata),
        });
      default:
        this.#toolPart(part);
    }
  }

  #toolPart(part: LanguageModelV4StreamPart): void {
    switch (part.type) {
      case "tool-input-start":
        return this.#emit({
          type: "tool-input-start",
          toolCallId: part.id,
          toolName: part.toolName,
          ...executed(part.providerExecuted),
          ...this.#whose(part.toolName),
        });
      case "tool-input-delta":
        if (part.delta === "") return;
        this.characters += part.delta.length;
        return this.#emit({ type: "tool-input-delta", toolCallId: part.id, text: part.delta });
      case "tool-call":
        return this.#emit({ ...toolInputEvent(part), ...this.#whose(part.toolName) });
      case "tool-result":
        if (part.preliminary) return;
        return this.#emit(
          part.isError
            ? {
              type: "tool-output-error",
              toolCallId: part.toolCallId,
              errorText: textOf(part.result),
              providerExecuted: true,
            }
            : {
              type: "tool-output",
              toolCallId: part.toolCallId,
              output: part.result as Json,
              providerExecuted: true,
            },
        );
    }
  }

  #whose(toolName: string): { declared?: true } {
    return this.#declared.has(toolName) ? { declared: true } : {};
  }

  #note(id: string, provided: SharedV4ProviderMetadata | undefined): void {
    if (!provided) return;
    this.#metadata.set(id, { ...this.#metadata.get(id), ...provided as ProviderMetadata });
  }

  #noted(id: string): { providerMetadata?: ProviderMetadata } {
    const noted = this.#metadata.get(id);
    this.#metadata.delete(id);
    return noted ? { providerMetadata: noted } : {};
  }
}

type PartOf<T extends LanguageModelV4StreamPart["type"]> = Extract<
  LanguageModelV4StreamPart,
  { type: T }
>;

type ToolInputEvent = Extract<RunEvent, { type: "tool-input" | "tool-input-error" }>;

function toolInputEvent(part: PartOf<"tool-call">): ToolInputEvent {
  const call = {
    toolCallId: part.toolCallId,
    toolName: part.toolName,
    ...executed(part.providerExecuted),
  };
  try {
    // Providers send an empty text for a call without arguments.
    const input = part.input.trim() === "" ? {} : JSON.parse(part.input) as JsonObject;
    return { type: "tool-input", ...call, input, ...metadata(part.providerMetadata) };
  } catch {
    const errorText = "The model's arguments are not valid JSON.";
    return { type: "tool-input-error", ...call, input: part.input, errorText };
  }
}

function sourceEvent(part: PartOf<"source">): RunEvent {
  return part.sourceType === "url"
    ? {
      type: "source-url",
      sourceId: part.id,
      url: part.url,
      ...(part.title !== undefined && { title: part.title }),
      ...metadata(part.providerMetadata),
    }
    : {
      type: "source-document",
      sourceId: part.id,
      mediaType: part.mediaType,
      title: part.title,
      ...(part.filename !== undefined && { filename: part.filename }),
      ...metadata(part.providerMetadata),
    };
}

function fileUrl({ mediaType, data }: PartOf<"file">): string {
  if (data.type === "url") return data.url.href;
  const base64 = typeof data.data === "string" ? data.data : data.data.toBase64();
  return `data:${mediaType};base64,${base64}`;
}

function metadata(provided: SharedV4ProviderMetadata | undefined) {
  return provided ? { providerMetadata: provided as ProviderMetadata } : {};
}

function executed(providerExecuted: boolean | undefined) {
  return providerExecuted ? { providerExecuted: true as const } : {};
}

function textOf(value: unknown): string {
  return typeof value === "string" ? value : JSON.stringify(value);
}
