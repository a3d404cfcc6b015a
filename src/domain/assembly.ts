import type { RunEvent } from "./event.ts";
import type { Json } from "./json.ts";
import {
  type Part,
  type ReasoningPart,
  type TextPart,
  toolNameOf,
  type ToolPart,
} from "./message.ts";

/**
 * Builds an answer's parts from a run's events, one event at a time. The same code serves a live
 * run, a replayed log and the recovery after a crash, so history always equals the stream.
 */
export class Assembly {
  readonly #parts: Part[];
  readonly #texts = new Map<string, TextPart>();
  readonly #reasonings = new Map<string, ReasoningPart>();
  readonly #tools = new Map<string, OpenTool>();

  /** Begins with the parts of an answer that is continued, if there are any. */
  constructor(before: readonly Part[] = []) {
    this.#parts = structuredClone([...before]);
  }

  /** Takes the next event. Events of unknown blocks are ignored: a log is never refused. */
  apply(event: RunEvent): void {
    switch (event.type) {
      case "step-start":
        this.#texts.clear();
        this.#reasonings.clear();
        this.#parts.push({ type: "step-start" });
        break;
      case "text-start":
        this.#texts.set(event.id, this.#push({ type: "text", text: "", state: "streaming" }));
        break;
      case "text-delta": {
        const part = this.#texts.get(event.id);
        if (part) part.text += event.text;
        break;
      }
      case "text-end":
        finish(this.#texts.get(event.id), event);
        break;
      case "reasoning-start": {
        const part = this.#push<ReasoningPart>({ type: "reasoning", text: "", state: "streaming" });
        if (event.providerMetadata) part.providerMetadata = event.providerMetadata;
        this.#reasonings.set(event.id, part);
        break;
      }
      case "reasoning-delta": {
        const part = this.#reasonings.get(event.id);
        if (part) part.text += event.text;
        break;
      }
      case "reasoning-end":
        finish(this.#reasonings.get(event.id), event);
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
        const { part } = this.#tools.get(event.toolCallId) ?? this.#openTool(event);
        part.state = "input-available";
        part.input = event.input;
        if (event.providerMetadata) part.callProviderMetadata = event.providerMetadata;
        break;
      }
      case "tool-input-error": {
        const { part } = this.#tools.get(event.toolCallId) ?? this.#openTool(event);
        part.state = "output-error";
        part.input = event.input;
        part.errorText = event.errorText;
        break;
      }
      case "tool-output":
        this.#closeTool(event.toolCallId, { output: event.output });
        break;
      case "tool-output-error":
        this.#closeTool(event.toolCallId, { errorText: event.errorText });
        break;
    }
  }

  /**
   * The parts so far. With `ended`, blocks that are still open are closed, as by `closing`. An empty
   * text stays, since it does in clients.
   */
  parts(options: { ended: boolean }): Part[] {
    if (options.ended) this.closing().forEach((event) => this.apply(event));
    return structuredClone(this.#parts);
  }

  /**
   * The events that close the blocks that are open, so that a client's parts are as stored: text keeps
   * what arrived, and a tool call without its whole input has failed. Left open, it would look in
   * clients as if it were still to come.
   */
  closing(): RunEvent[] {
    return [
      ...openIds(this.#reasonings).map((id) => ({ type: "reasoning-end" as const, id })),
      ...openIds(this.#texts).map((id) => ({ type: "text-end" as const, id })),
      ...[...this.#tools.values()].filter(({ part }) => part.state === "input-streaming")
        .map(cutOff),
    ];
  }

  #push<P extends Part>(part: P): P {
    this.#parts.push(part);
    return part;
  }

  #openTool({ toolCallId, toolName, providerExecuted, declared }: ToolOpening) {
    const part = this.#push<ToolPart>({
      ...(declared ? { type: `tool-${toolName}` } : { type: "dynamic-tool", toolName }),
      toolCallId,
      state: "input-streaming",
      ...(providerExecuted && { providerExecuted }),
    });
    const tool = { part, inputText: "" };
    this.#tools.set(toolCallId, tool);
    return tool;
  }

  #closeTool(toolCallId: string, result: { output: Json } | { errorText: string }): void {
    const tool = this.#tools.get(toolCallId);
    if (!tool) return;
    tool.part.state = "output" in result ? "output-available" : "output-error";
    Object.assign(tool.part, result);
  }
}

/** A tool call with the text of its input so far. */
interface OpenTool {
  part: ToolPart;
  inputText: string;
}

type ToolOpening = Extract<
  RunEvent,
  { type: "tool-input-start" | "tool-input" | "tool-input-error" }
>;

function finish(
  part: TextPart | ReasoningPart | undefined,
  event: Extract<RunEvent, { type: "text-end" | "reasoning-end" }>,
): void {
  if (!part) return;
  part.state = "done";
  if (event.providerMetadata) {
    // In place of what the block began with, as clients have it.
    part.providerMetadata = event.providerMetadata;
  }
}

function openIds(blocks: ReadonlyMap<string, TextPart | ReasoningPart>): string[] {
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

/** The parts that a whole log adds up to, behind those of an answer that it continues. */
export function assemble(
  events: Iterable<RunEvent>,
  options: { ended: boolean; before?: readonly Part[] | undefined },
): Part[] {
  const assembly = new Assembly(options.before);
  for (const event of events) assembly.apply(event);
  return assembly.parts(options);
}
