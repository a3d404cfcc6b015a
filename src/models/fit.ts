/** The last pass over a prompt: what a target cannot take, it gets in a form that it can. */
import type {
  LanguageModelV4FilePart,
  LanguageModelV4Message,
  LanguageModelV4Prompt,
  LanguageModelV4TextPart,
  LanguageModelV4ToolCallPart,
  LanguageModelV4ToolResultPart,
} from "@ai-sdk/provider";
import type { ProviderType } from "../domain/provider.ts";

/** What a provider takes, by its published rules and by the habits of its dialect's strict servers. */
interface Rules {
  /** Names of tools. */
  name: RegExp;
  /** Ids of tool calls. */
  id: RegExp;
  /** True if a call's id may be used again in a later step. */
  repeatsIds: boolean;
  /** Media types of files: whole, or up to the slash. */
  files: readonly string[];
}

const NAME = /^[a-zA-Z0-9_-]{1,64}$/;
const ID = /^[a-zA-Z0-9_-]{1,40}$/;
const PICTURES = ["image/png", "image/jpeg", "image/gif", "image/webp"];

const RULES: Record<ProviderType, Rules> = {
  anthropic: {
    name: NAME,
    id: ID,
    repeatsIds: false,
    files: [...PICTURES, "application/pdf", "text/plain"],
  },
  openai: { name: NAME, id: ID, repeatsIds: false, files: [...PICTURES, "application/pdf"] },
  google: {
    name: /^[a-zA-Z_][a-zA-Z0-9_.-]{0,62}$/,
    id: ID,
    repeatsIds: true,
    files: ["image/", "audio/", "video/", "application/pdf"],
  },
  "openai-compatible": {
    name: NAME,
    id: ID,
    repeatsIds: true,
    files: [
      "image/",
      "video/",
      "audio/wav",
      "audio/x-wav",
      "audio/mp3",
      "audio/mpeg",
      "application/pdf",
    ],
  },
  demo: { name: /^/, id: /^/, repeatsIds: true, files: [""] },
};

/** Files that are text, which every model gets as text. */
const TEXT = /^(text\/.+|application\/(.+\+)?(json|xml|yaml|x-yaml|toml|javascript|sql|x-sh))$/;

/** True if a model of this type can read files of that media type. */
export function takesFile(type: ProviderType, mediaType: string): boolean {
  return TEXT.test(kindOf(mediaType)) || isTaken(RULES[type], mediaType);
}

/** Of `image/*` and the like it is known only later what it is. */
function isTaken({ files }: Rules, mediaType: string): boolean {
  const kind = kindOf(mediaType);
  const given = kind.replace(/\*$/, "");
  return files.some((taken) =>
    given === taken || (/(^|\/)$/.test(taken) && given.startsWith(taken)) ||
    (given !== kind && taken.startsWith(given))
  );
}

/** A media type as providers know it, without parameters. */
function kindOf(mediaType: string): string {
  const kind = mediaType.split(";", 1)[0]!.trim().toLowerCase();
  return kind === "image/jpg" ? "image/jpeg" : kind;
}

/**
 * A prompt that the target takes. Begins with a user's message and has no blank text; two messages of one
 * speaker become one; each call of a tool has its result right behind it, each result its call. Ids and
 * names that the target refuses are replaced, the same in call and result. What needs no change is kept as
 * it is.
 */
export function fitPrompt(
  prompt: LanguageModelV4Prompt,
  type: ProviderType,
): LanguageModelV4Prompt {
  const fitted = new Fitting(RULES[type]);
  for (const message of prompt) fitted.add(message);
  return fitted.end();
}

type AssistantContent = Extract<LanguageModelV4Message, { role: "assistant" }>["content"];
type UserContent = Extract<LanguageModelV4Message, { role: "user" }>["content"];

/** A call that waits for its result. */
interface OpenCall {
  /** Its id in the prompt. */
  original: string;
  id: string;
  name: string;
}

class Fitting {
  readonly #system: string[] = [];
  readonly #messages: LanguageModelV4Message[] = [];
  #open: OpenCall[] = [];
  /** The ids that no other call may have. */
  readonly #used = new Set<string>();

  constructor(private readonly rules: Rules) {}

  add(message: LanguageModelV4Message): void {
    if (message.role === "tool") return this.#addResults(message.content);
    if (message.role === "system") {
      if (!isBlank(message.content)) this.#system.push(message.content.toWellFormed());
      return;
    }
    this.#closeCalls();
    if (message.role === "user") this.#addUser(message.content);
    else this.#addAnswer(message.content);
  }

  end(): LanguageModelV4Prompt {
    this.#closeCalls();
    this.#beginWithUser();
    const content = this.#system.join("\n\n");
    return content === "" ? this.#messages : [{ role: "system", content }, ...this.#messages];
  }

  #addUser(parts: UserContent): void {
    const content = parts.flatMap((part) =>
      part.type === "text" ? fitText(part) : [this.#file(part)]
    );
    // The turns stay what they were.
    if (content.length === 0) content.push({ type: "text", text: "(an empty message)" });
    const last = this.#messages.at(-1);
    if (last?.role === "user") last.content.push(...content);
    else this.#messages.push({ role: "user", content });
  }

  #addAnswer(parts: AssistantContent): void {
    const content = parts.flatMap((part): AssistantContent => {
      if (part.type === "text") return fitText(part);
      if (part.type === "tool-call") return [this.#call(part)];
      return [part];
    });
    if (content.every(({ type }) => type === "reasoning")) return;
    this.#beginWithUser();
    const last = this.#messages.at(-1);
    if (last?.role === "assistant") last.content.push(...content);
    else this.#messages.push({ role: "assistant", content });
  }

  #call(part: LanguageModelV4ToolCallPart): LanguageModelV4ToolCallPart {
    const id = this.#idFor(part);
    const name = this.#nameFor(part.toolName);
    this.#open.push({ original: part.toolCallId, id, name });
    return { ...part, toolCallId: id, toolName: name, input: part.input ?? {} };
  }

  #addResults(parts: Extract<LanguageModelV4Message, { role: "tool" }>["content"]): void {
    for (const part of parts) {
      if (part.type !== "tool-result") continue;
      const at = this.#open.findIndex(({ original }) => original === part.toolCallId);
      const [call] = at < 0 ? [] : this.#open.splice(at, 1);
      // The result of a call that is not in the history tells nothing.
      if (call) this.#addResult({ ...part, toolCallId: call.id, toolName: call.name });
    }
  }

  #addResult(result: LanguageModelV4ToolResultPart): void {
    const last = this.#messages.at(-1);
    if (last?.role === "tool") last.content.push(result);
    else this.#messages.push({ role: "tool", content: [result] });
  }

  #closeCalls(): void {
    for (const { id: toolCallId, name: toolName } of this.#open) {
      const output = { type: "error-text" as const, value: "The tool was not run." };
      this.#addResult({ type: "tool-result", toolCallId, toolName, output });
    }
    this.#open = [];
    if (this.rules.repeatsIds) this.#used.clear();
  }

  #beginWithUser(): void {
    if (this.#messages.length > 0) return;
    this.#messages.push({ role: "user", content: [{ type: "text", text: "(an empty message)" }] });
  }

  #idFor({ toolCallId: id, providerOptions }: LanguageModelV4ToolCallPart): string {
    // What a server of chat completions made, it takes.
    const isFit = providerOptions?.["compatible"] !== undefined || this.rules.id.test(id);
    const plain = id.replaceAll(/[^a-zA-Z0-9_-]/g, "_").slice(0, 36) || "call";
    let fitted = isFit && id !== "" ? id : plain;
    for (let n = 2; this.#used.has(fitted); n++) fitted = `${plain}_${n}`;
    this.#used.add(fitted);
    return fitted;
  }

  #nameFor(name: string): string {
    if (this.rules.name.test(name)) return name;
    const plain = name.replaceAll(/[^a-zA-Z0-9_-]/g, "_").slice(0, 60);
    return this.rules.name.test(plain) ? plain : `tool_${plain}`;
  }

  #file(part: LanguageModelV4FilePart): LanguageModelV4FilePart | LanguageModelV4TextPart {
    const named = part.filename === undefined ? "" : ` "${part.filename.toWellFormed()}"`;
    if (part.data.type === "data" && part.data.data.length === 0) {
      return { type: "text", text: `[The file${named} is empty.]` };
    }
    if (isTaken(this.rules, part.mediaType)) {
      const kind = kindOf(part.mediaType);
      return kind === part.mediaType ? part : { ...part, mediaType: kind };
    }
    if (TEXT.test(kindOf(part.mediaType)) && part.data.type === "data") {
      const { data } = part.data;
      const bytes = typeof data === "string" ? Uint8Array.fromBase64(data) : data;
      return { type: "text", text: `File${named}:\n${new TextDecoder().decode(bytes)}` };
    }
    const text = `[A file${named} of type ${part.mediaType} was here. This model cannot read it.]`;
    return { type: "text", text };
  }
}

function fitText<P extends LanguageModelV4TextPart>(part: P): P[] {
  if (isBlank(part.text)) return [];
  return [part.text.isWellFormed() ? part : { ...part, text: part.text.toWellFormed() }];
}

function isBlank(text: string): boolean {
  return !/\S/.test(text);
}
