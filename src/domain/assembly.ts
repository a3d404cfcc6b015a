import type { ProviderMetadata, RunEvent, ToolInputEvent } from "./event.ts";
import {
  isToolPart,
  type Part,
  type ReasoningPart,
  type TextPart,
  toolNameOf,
  type ToolPart,
} from "./message.ts";

/** The error of a call that may have had an effect. */
export const ENDED_BEFORE_TOOL = "The run ended before the tool did. It may have had an effect.";

/**
 * Builds an answer's parts from a run's events. The same code serves a live run, a replayed log and the
 * recovery after a crash, so history always equals the stream.
 */
export class Assembly {
  readonly #parts: Part[];
  readonly #texts = new Map<string, TextPart>();
  readonly #reasonings = new Map<string, ReasoningPart>();
  readonly #tools = new Map<string, OpenTool>();
  /** The calls that have shown progress, and no result yet. */
  readonly #running = new Set<string>();

  /** True if a step has begun and not ended. */
  inStep = false;

  /** Begins with the parts of an answer to continue, if there is one. */
  constructor(before: readonly Part[] = []) {
    this.#parts = copyOf(before);
  }

  /** How many parts there are. */
  get length(): number {
    return this.#parts.length;
  }

  /** Takes the next event. Events of unknown blocks are ignored: a log is never refused. */
  apply(event: RunEvent): void {
    switch (event.type) {
      case "step-start":
        this.#texts.clear();
        this.#reasonings.clear();
        this.inStep = true;
        this.#parts.push({ type: "step-start" });
        break;
      case "step-finish":
        this.inStep = false;
        break;
      case "text-start":
        this.#texts.set(event.id, this.#push({ type: "text", text: "", state: "streaming" }));
        break;
      case "reasoning-start": {
        const part = this.#push<ReasoningPart>({ type: "reasoning", text: "", state: "streaming" });
        if (event.providerMetadata) part.providerMetadata = event.providerMetadata;
        this.#reasonings.set(event.id, part);
        break;
      }
      case "text-delta":
        extend(this.#texts.get(event.id), event.text);
        break;
      case "reasoning-delta":
        extend(this.#reasonings.get(event.id), event.text);
        break;
      case "text-end":
        finish(this.#texts.get(event.id), event.providerMetadata);
        break;
      case "reasoning-end":
        finish(this.#reasonings.get(event.id), event.providerMetadata);
        break;
      case "source-url":
      case "source-document":
      case "file":
        this.#push({ ...event });
        break;
      default:
        this.#applyTool(event);
    }
  }

  #applyTool(event: RunEvent): void {
    switch (event.type) {
      case "tool-input-start":
        this.#openTool(event);
        break;
      case "tool-input-delta": {
        const tool = this.#tools.get(event.toolCallId);
        if (tool) tool.inputText += event.text;
        break;
      }
      case "tool-input": {
        const { toolCallId, input, providerMetadata: callProviderMetadata } = event;
        if (!this.#tools.has(toolCallId)) this.#openTool(event);
        this.#setTool(toolCallId, { state: "input-available", input });
        if (callProviderMetadata) this.#setTool(toolCallId, { callProviderMetadata });
        break;
      }
      case "tool-input-error": {
        const { toolCallId, input, errorText } = event;
        if (!this.#tools.has(toolCallId)) this.#openTool(event);
        this.#setTool(toolCallId, { state: "output-error", input, errorText });
        break;
      }
      case "tool-progress":
        this.#running.add(event.toolCallId);
        break;
      case "tool-output":
        this.#setTool(event.toolCallId, { state: "output-available", output: event.output });
        break;
      case "tool-output-error":
        this.#setTool(event.toolCallId, { state: "output-error", errorText: event.errorText });
        break;
      case "tool-approval-request":
        this.#setTool(event.toolCallId, {
          state: "approval-requested",
          approval: { id: event.approvalId },
        });
        break;
      case "tool-output-denied":
        this.#deny(event);
        break;
    }
  }

  /** The parts so far. With `ended`, open blocks are closed as by `closing`; empty text stays. */
  parts(options: { ended: boolean }): Part[] {
    if (options.ended) this.closing().forEach((event) => this.apply(event));
    return copyOf(this.#parts);
  }

  /**
   * The events that close the open blocks, so that a client has the parts that are stored: text keeps
   * what arrived, and a tool call without its whole input fails, or clients would wait for it.
   */
  closing(): RunEvent[] {
    return [
      ...openIds(this.#reasonings).map((id) => ({ type: "reasoning-end" as const, id })),
      ...openIds(this.#texts).map((id) => ({ type: "text-end" as const, id })),
      ...[...this.#tools.values()].filter(({ part }) => part.state === "input-streaming")
        .map(cutOff),
      // Clients show progress as a result.
      ...[...this.#running].map((toolCallId) => ({
        type: "tool-output-error" as const,
        toolCallId,
        errorText: ENDED_BEFORE_TOOL,
      })),
    ];
  }

  #push<P extends Part>(part: P): P {
    this.#parts.push(part);
    return part;
  }

  #openTool({ toolCallId, toolName, providerExecuted, declared }: ToolInputEvent): void {
    const part = this.#push<ToolPart>({
      ...(declared ? { type: `tool-${toolName}` } : { type: "dynamic-tool", toolName }),
      toolCallId,
      state: "input-streaming",
      ...(providerExecuted && { providerExecuted }),
    });
    this.#tools.set(toolCallId, { part, inputText: "" });
  }

  #deny({ toolCallId, reason }: Extract<RunEvent, { type: "tool-output-denied" }>): void {
    const id = this.#toolWith(toolCallId)?.approval?.id ?? "";
    const approval = { id, approved: false, ...(reason !== undefined && { reason }) };
    this.#setTool(toolCallId, { state: "output-denied", approval });
  }

  #setTool(toolCallId: string, changes: Partial<ToolPart>): void {
    this.#running.delete(toolCallId);
    Object.assign(this.#toolWith(toolCallId) ?? {}, changes);
  }

  /** The newest call with that id: the answer that a run continues may have it. */
  #toolWith(toolCallId: string): ToolPart | undefined {
    return this.#tools.get(toolCallId)?.part ??
      this.#parts.findLast((part): part is ToolPart =>
        isToolPart(part) && part.toolCallId === toolCallId
      );
  }
}

/** Copies the parts, not what is in them: that is replaced, never changed. */
function copyOf(parts: readonly Part[]): Part[] {
  return parts.map((part) => ({ ...part }));
}

/** A tool call with the text of its input so far. */
interface OpenTool {
  part: ToolPart;
  inputText: string;
}

type Block = TextPart | ReasoningPart;

function extend(part: Block | undefined, text: string): void {
  if (part) part.text += text;
}

function finish(part: Block | undefined, providerMetadata: ProviderMetadata | undefined): void {
  if (!part) return;
  part.state = "done";
  // Replaces the block's first metadata, as clients do.
  if (providerMetadata) part.providerMetadata = providerMetadata;
}

function openIds(blocks: ReadonlyMap<string, Block>): string[] {
  return [...blocks].flatMap(([id, { state }]) => state === "streaming" ? [id] : []);
}

function cutOff({ part, inputText }: OpenTool): RunEvent {
  return {
    type: "tool-input-error",
    toolCallId: part.toolCallId,
    toolName: toolNameOf(part),
    input: inputText,
    errorText: "The run ended before the tool call was complete.",
    ...(part.providerExecuted && { providerExecuted: true }),
    ...(part.type !== "dynamic-tool" && { declared: true }),
  };
}

/** The parts of a whole log, after those of the answer that it continues. */
export function assemble(
  events: Iterable<RunEvent>,
  options: { ended: boolean; before?: readonly Part[] | undefined },
): Part[] {
  const assembly = new Assembly(options.before);
  for (const event of events) assembly.apply(event);
  return assembly.parts(options);
}
