/** Clients that keep every byte which they got. */
import { assert, assertEquals } from "@std/assert";
import { messageText, type ToolPart } from "../../src/domain/message.ts";
import type { StoredMessage } from "../../src/domain/records.ts";
import { toolArgs } from "../../src/wire/data_stream.ts";
import { partsOf, type StreamPart } from "../kit/data_stream.ts";

/** One client of one run, until it or the server went away. */
export class Witness {
  /** How the stream ended, once it has: by itself, or broken off. */
  readonly over: Promise<"ended" | "broken">;
  readonly #chunks: Uint8Array[] = [];
  #length = 0;
  #waiting: (() => void)[] = [];
  #ended = false;

  constructor(
    readonly response: Response,
    private readonly onChunk: (chunk: Uint8Array) => void = () => {},
  ) {
    this.over = this.#read();
  }

  get runId(): string {
    return this.response.headers.get("parley-run-id")!;
  }

  /** How many bytes it has. */
  get length(): number {
    return this.#length;
  }

  /** Every byte, in order. */
  get bytes(): Uint8Array {
    const all = new Uint8Array(this.#length);
    let at = 0;
    for (const chunk of this.#chunks) {
      all.set(chunk, at);
      at += chunk.length;
    }
    return all;
  }

  /** The parts of which it has the whole line. */
  get parts(): StreamPart[] {
    return wholeParts(this.bytes);
  }

  /**
   * Resolves once it has `text`, so many times.
   * @throws {Error} where the stream ends before.
   */
  async piece(text: string, times = 1): Promise<void> {
    while (new TextDecoder().decode(this.bytes).split(text).length <= times) {
      const more = new Promise<void>((resolve) => this.#waiting.push(resolve));
      if (this.#ended) throw new Error(`the stream ended without ${times} times ${text}`);
      await more;
    }
  }

  async #read(): Promise<"ended" | "broken"> {
    try {
      // A run of which one has everything is answered without a body.
      for await (const chunk of this.response.body ?? []) {
        this.#chunks.push(chunk);
        this.#length += chunk.length;
        this.onChunk(chunk);
        this.#wake();
      }
      return "ended";
    } catch {
      return "broken";
    } finally {
      this.#ended = true;
      this.#wake();
    }
  }

  #wake(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

/** The parts of which `bytes` holds the whole line. */
export function wholeParts(bytes: Uint8Array): StreamPart[] {
  return partsOf(new TextDecoder().decode(bytes.subarray(0, bytes.lastIndexOf(10) + 1)));
}

/** Fails unless `whole` begins with `piece`, byte for byte. */
export function assertBeginsWith(whole: Uint8Array, piece: Uint8Array, what: string): void {
  assertSameBytes(piece, whole.subarray(0, piece.length), what);
}

/** Fails unless both are the same, and shows where they are not: a diff of it all takes minutes. */
export function assertSameBytes(seen: Uint8Array, kept: Uint8Array, what = "the bytes"): void {
  if (seen.length === kept.length && seen.every((byte, index) => kept[index] === byte)) return;
  const differing = seen.findIndex((byte, index) => kept[index] !== byte);
  const at = differing < 0 ? seen.length : differing;
  const around = (bytes: Uint8Array) =>
    JSON.stringify(new TextDecoder().decode(bytes.subarray(Math.max(0, at - 60), at + 60)));
  throw new Error(
    `${what}: ${seen.length} seen, ${kept.length} kept, other than each other from byte ${at} on: ` +
      `seen ${around(seen)}, kept ${around(kept)}`,
  );
}

interface SaidTool {
  name: string;
  text: string;
  args?: object;
  result?: unknown;
}

/** What a stream said, put together. */
export interface Said {
  text: string;
  reasoning: string;
  /** By id of the call; with `args` once the whole call was seen. */
  tools: Map<string, SaidTool>;
  /** Signatures, redacted reasoning, sources and files, in order. */
  others: unknown[];
  messageId: string | undefined;
  /** The finish reason of the `d` part. */
  end: string | undefined;
}

/** Puts together what parts say. */
export function saidBy(parts: readonly StreamPart[]): Said {
  const said: Said = {
    text: "",
    reasoning: "",
    tools: new Map(),
    others: [],
    messageId: undefined,
    end: undefined,
  };
  for (const { code, value } of parts) {
    if (code === "0") said.text += value;
    else if (code === "g") said.reasoning += value;
    else if (code === "f") said.messageId = value.messageId;
    else if (code === "d") said.end = value.finishReason;
    else if (code === "j") said.others.push({ signature: value.signature });
    else if (code === "i") said.others.push({ redacted: value.data });
    else if (code === "h") said.others.push({ source: value.url });
    else if (code === "k") said.others.push({ file: value.data });
    else if (code === "b" || code === "c" || code === "9" || code === "a") sayTool(said, value);
  }
  return said;
}

// deno-lint-ignore no-explicit-any
function sayTool({ tools }: Said, value: any): void {
  const tool: SaidTool = tools.get(value.toolCallId) ?? { name: value.toolName, text: "" };
  tools.set(value.toolCallId, tool);
  tool.text += value.argsTextDelta ?? "";
  if ("args" in value) tool.args = value.args;
  if ("result" in value) tool.result = value.result;
}

/** What a stored message says, in the same form. */
function saidIn(message: StoredMessage): Pick<Said, "text" | "reasoning" | "others"> {
  const others: unknown[] = [];
  let reasoning = "";
  for (const part of message.parts) {
    if (part.type === "reasoning") {
      reasoning += part.text;
      const { signature, redactedData } = part.providerMetadata?.["anthropic"] ?? {};
      if (typeof redactedData === "string") others.push({ redacted: redactedData });
      if (typeof signature === "string") others.push({ signature });
    } else if (part.type === "source-url") others.push({ source: part.url });
    else if (part.type === "file") others.push({ file: part.url.split(",")[1] });
  }
  return { text: messageText(message), reasoning, others };
}

/** Fails unless everything that was seen is in the stored message, and with `whole` nothing else. */
export function assertKept(
  seen: readonly StreamPart[],
  message: StoredMessage | undefined,
  { whole }: { whole: boolean },
): void {
  const said = saidBy(seen);
  const nothing = said.text + said.reasoning === "" && said.tools.size + said.others.length === 0;
  if (!message) return assert(nothing, `seen, and not in history: ${JSON.stringify(seen)}`);
  const kept = saidIn(message);
  assertEquals(said.messageId ?? message.id, message.id);
  assertEquals(whole ? kept.text : kept.text.slice(0, said.text.length), said.text);
  assertEquals(
    whole ? kept.reasoning : kept.reasoning.slice(0, said.reasoning.length),
    said.reasoning,
  );
  assertEquals(whole ? kept.others : kept.others.slice(0, said.others.length), said.others);
  const tools = message.parts.filter((part): part is ToolPart => part.type === "dynamic-tool");
  if (whole) assertEquals(tools.map(({ toolCallId }) => toolCallId), [...said.tools.keys()]);
  for (const [id, tool] of said.tools) {
    const part = tools.find(({ toolCallId }) => toolCallId === id);
    assert(part, `the call ${id} is not in history`);
    assertEquals(part.toolName, tool.name);
    const input = typeof part.input === "string" ? part.input : JSON.stringify(part.input);
    assert(tool.args || input.startsWith(tool.text), `${input} does not begin with ${tool.text}`);
    const failed = part.state === "output-error";
    // Arguments that never were whole are shown as none.
    const args = failed && typeof part.input === "string" ? {} : toolArgs(part.input);
    if (tool.args) assertEquals(args, tool.args);
    const result = failed ? { error: part.errorText } : part.output;
    if ("result" in tool) assertEquals(result, tool.result as typeof result);
  }
}
