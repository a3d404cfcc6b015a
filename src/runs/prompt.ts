/** From history to what a model is asked: pure, and the same bytes again for the same history. */
import type {
  LanguageModelV4FilePart,
  LanguageModelV4Message,
  LanguageModelV4Prompt,
  LanguageModelV4ToolResultOutput,
} from "@ai-sdk/provider";
import type { JsonObject } from "../domain/json.ts";
import type { ProviderMetadata } from "../domain/event.ts";
import { fileIdOf, keptHead } from "../domain/file.ts";
import {
  type FilePart,
  isToolPart,
  type Message,
  type Part,
  toolNameOf,
  type ToolPart,
} from "../domain/message.ts";
import type { StoredMessage } from "../domain/records.ts";
import { modelCallId } from "./call_ids.ts";
import { charactersFor, estimateFileTokens } from "../domain/usage.ts";
import type { ProviderType } from "../domain/provider.ts";

type AssistantContent = Extract<LanguageModelV4Message, { role: "assistant" }>["content"];
type UserContent = Extract<LanguageModelV4Message, { role: "user" }>["content"];

/** What a prompt is made for. */
export interface PromptTarget {
  type: ProviderType;
  /** The id of the model: it gets back unchanged what it said. */
  model: string;
  system: string | undefined;
}

/** A prompt with its size. */
export interface Prompt {
  messages: LanguageModelV4Prompt;
  /** The characters of its texts; a file counts as those that it has tokens for. */
  characters: number;
  /** The size of its messages as JSON, in bytes. */
  size: number;
}

/** The scheme of URLs that stand for files of this server, until their bytes are put there. */
export const OWN_FILE = "parley-file:";

/** Where a prompt stood behind one of its messages. */
interface Mark {
  length: number;
  last: LanguageModelV4Message | undefined;
  characters: number;
  size: number;
}

/**
 * Builds the prompt of a branch, oldest message first. It begins with a user's message, none is empty,
 * and every tool call is followed by its result; an answer that never came leaves two messages of the
 * user in a row. What was added never changes, so a prompt can be cut and extended.
 */
export class PromptBuilder {
  readonly #target: PromptTarget;
  #messages: LanguageModelV4Message[] = [];
  #characters = 0;
  #size = 0;
  readonly #marks = new Map<string, Mark>();

  constructor(target: PromptTarget) {
    this.#target = target;
    if (target.system) this.#push({ role: "system", content: target.system });
  }

  /** The sizes of all added messages. */
  get size(): number {
    return this.#size;
  }

  /** The key of the last added message; null if none was added. */
  get lastKey(): string | null {
    return [...this.#marks.keys()].at(-1) ?? null;
  }

  /** True if the prompt is made for that target. */
  isFor({ type, model, system }: PromptTarget): boolean {
    const target = this.#target;
    return target.type === type && target.model === model && target.system === system;
  }

  /** The size up to the message with that key; undefined if that was not added. */
  sizeAt(key: string): number | undefined {
    return this.#marks.get(key)?.size;
  }

  /** Adds a message; `size` is that of its parts. */
  add(message: StoredMessage, size = 0): void {
    this.#append(message);
    this.#size += size;
    const { length } = this.#messages;
    const last = this.#messages[length - 1];
    const mark = { length, last, characters: this.#characters, size: this.#size };
    this.#marks.set(message.key, mark);
  }

  /** Takes back what was added behind the message with that key. */
  cutBehind(key: string): void {
    const mark = this.#marks.get(key)!;
    const keys = [...this.#marks.keys()];
    for (let at = keys.length - 1; keys[at] !== key; at--) this.#marks.delete(keys[at]!);
    this.#messages.length = mark.length;
    if (mark.last) this.#messages[mark.length - 1] = mark.last;
    this.#characters = mark.characters;
    this.#size = mark.size;
  }

  /** The prompt with one more message and the answer to it so far, which are not added. */
  promptWith(last: Message, answer: readonly Part[] = []): Prompt {
    const whole = new PromptBuilder(this.#target);
    whole.#messages = [...this.#messages];
    whole.#characters = this.#characters;
    whole.#append(last);
    whole.#addAnswer(answer, true);
    const size = this.#size + sizeOf(last.parts) + sizeOf(answer);
    return { messages: whole.#messages, characters: whole.#characters, size };
  }

  #append({ role, parts, model }: Message): void {
    if (role === "user") this.#addUser(userContent(parts));
    if (role === "assistant") this.#addAnswer(parts, model === this.#target.model);
  }

  #addUser(content: UserContent): void {
    if (content.length === 0) return;
    for (const part of content) {
      this.#characters += part.type === "text" ? part.text.length : fileCharacters(part);
    }
    this.#messages.push({ role: "user", content });
  }

  /** `isOwn`: it is the answer of the model that is asked. */
  #addAnswer(parts: readonly Part[], isOwn: boolean): void {
    const { type } = this.#target;
    for (const step of splitSteps(parts)) {
      const wanted = notesFor(type, isOwn, step.some(isOwnTool));
      const idOf = (part: ToolPart) => isOwn ? modelCallId(part) : part.toolCallId;
      const content = step.flatMap((part) => assistantContent(part, wanted, idOf));
      if (content.length === 0 || content.every(({ type }) => type === "reasoning")) continue;
      this.#push({ role: "assistant", content });
      const results = step.filter(isOwnTool).map((part) => ({
        type: "tool-result" as const,
        toolCallId: idOf(part),
        toolName: toolNameOf(part),
        output: toolOutput(part),
      }));
      if (results.length > 0) this.#push({ role: "tool", content: results });
    }
  }

  #push(message: LanguageModelV4Message): void {
    this.#messages.push(message);
    this.#characters += charactersOf(message.content);
  }
}

/** The size of parts as JSON, nearly in bytes. */
export function sizeOf(parts: readonly Part[]): number {
  return JSON.stringify(parts).length;
}

function charactersOf(content: LanguageModelV4Message["content"]): number {
  if (typeof content === "string") return content.length;
  let sum = 0;
  for (const part of content) {
    sum += "text" in part ? part.text.length : JSON.stringify(part).length;
  }
  return sum;
}

/** A file of this server counts once its size is known. */
function fileCharacters({ mediaType, data }: LanguageModelV4FilePart): number {
  if (data.type === "url" && data.url.protocol === OWN_FILE) return 0;
  const size = data.type === "data" ? data.data.length * 3 / 4 : 0;
  return charactersFor(estimateFileTokens(mediaType, size));
}

function userContent(parts: readonly Part[]): UserContent {
  return parts.flatMap((part): UserContent => {
    if (part.type === "text" && part.text !== "") return [{ type: "text", text: part.text }];
    if (part.type === "file") return [filePart(part)];
    return [];
  });
}

function splitSteps(parts: readonly Part[]): Part[][] {
  const steps: Part[][] = [[]];
  for (const part of parts) {
    if (part.type === "step-start") steps.push([]);
    else steps.at(-1)!.push(part);
  }
  return steps;
}

function assistantContent(
  part: Part,
  wanted: Wanted,
  idOf: (part: ToolPart) => string,
): AssistantContent {
  switch (part.type) {
    case "text":
      if (part.text === "") return [];
      return [{ type: "text", text: part.text, ...wanted(part.providerMetadata) }];
    case "reasoning": {
      const options = wanted(part.providerMetadata);
      // Reasoning is of use only to the provider that signed it.
      return "providerOptions" in options
        ? [{ type: "reasoning", text: part.text, ...options }]
        : [];
    }
    default:
      if (!isOwnTool(part)) return [];
      return [{
        type: "tool-call",
        toolCallId: idOf(part),
        toolName: toolNameOf(part),
        input: typeof part.input === "object" && part.input !== null ? part.input : {},
        ...wanted(part.callProviderMetadata, {}),
      }];
  }
}

/** What of a provider's own notes goes back; `otherwise` stands for none of its own. */
type Wanted = (
  metadata: ProviderMetadata | undefined,
  otherwise?: JsonObject,
) => { providerOptions?: Record<string, JsonObject> };

/**
 * A provider's own notes, if they are signatures that it wants back. OpenAI's notes refer to items on
 * its servers, which may be gone: the text itself is sent instead. Servers of chat completions want what
 * came beside calls of tools, and the calls as they made them; others refuse it.
 */
function notesFor(type: ProviderType, isOwn: boolean, hasCalls: boolean): Wanted {
  const noted = (key: string): Wanted => (metadata) => {
    const own = metadata?.[key];
    return own ? { providerOptions: { [key]: own } } : {};
  };
  if (type === "anthropic" || type === "google") return noted(type);
  if (!isOwn || !hasCalls) return () => ({});
  return (metadata, otherwise) => {
    const own = metadata?.["compatible"] ?? otherwise;
    return own ? { providerOptions: { compatible: own } } : {};
  };
}

/** Tools that the provider ran itself stay out: its text says what came of them. */
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
        ...(part.approval?.reason && { reason: part.approval.reason }),
      };
    case "output-error":
      return { type: "error-text", value: part.errorText ?? "The tool failed." };
    default:
      return { type: "error-text", value: "The tool was not run." };
  }
}

function filePart(part: FilePart): LanguageModelV4FilePart {
  const own = fileIdOf(part.url);
  // The server's word on the type of a file counts, unless the file came with the message.
  const as = keptHead(part.url) === undefined || part.mediaType.includes("*") ? "" : "?as-is";
  const data = part.url.startsWith("data:")
    ? { type: "data" as const, data: part.url.slice(part.url.indexOf(",") + 1) }
    : { type: "url" as const, url: new URL(own === undefined ? part.url : OWN_FILE + own + as) };
  return {
    type: "file",
    mediaType: part.mediaType,
    data,
    ...(part.filename !== undefined && { filename: part.filename }),
  };
}
