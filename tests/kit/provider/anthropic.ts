/** Anthropic's messages. */
import {
  type AnswerContext,
  argsPieces,
  argsText,
  type Block,
  type Dialect,
  sse,
  type StreamRenderer,
} from "./dialect.ts";
import type { ContentStep, Failure, FinishReason, ToolCall, Usage } from "./script.ts";

/** `POST {base}/messages`. */
export const anthropic: Dialect = {
  name: "anthropic",
  inputFirst: true,
  wantsUsage: () => true,
  stream: (context) => new MessageRenderer(context),
  whole: wholeMessage,
  failure: anthropicFailure,
};

const NONE: Required<Usage> = { input: 0, output: 0, cached: 0, reasoning: 0 };

class MessageRenderer implements StreamRenderer {
  #index = -1;
  #open: "text" | "thinking" | undefined;

  constructor(private readonly context: AnswerContext) {}

  start(): string {
    const message = {
      ...messageHead(this.context),
      content: [],
      stop_reason: null,
      stop_sequence: null,
      usage: { ...inputUsage(this.context.usage ?? NONE), output_tokens: 0 },
    };
    return event("message_start", { message }) + event("ping", {});
  }

  content(step: ContentStep): string {
    if ("text" in step) return this.#in("text", { type: "text_delta", text: step.text });
    if ("reasoning" in step) {
      return this.#in("thinking", { type: "thinking_delta", thinking: step.reasoning });
    }
    if ("reasoningSignature" in step) {
      const signature = step.reasoningSignature;
      return this.#in("thinking", { type: "signature_delta", signature }) + this.#close();
    }
    if ("redactedReasoning" in step) {
      return this.#whole({ type: "redacted_thinking", data: step.redactedReasoning }, []);
    }
    if ("toolCall" in step) return this.#toolCall(step.toolCall);
    if ("source" in step) {
      return this.#in("text", { type: "citations_delta", citation: citation(step.source) });
    }
    return "";
  }

  error(failure: Failure): string {
    return sse(anthropicFailure(failure), "error");
  }

  finish(reason: FinishReason): string {
    const delta = { stop_reason: stopReason(reason), stop_sequence: null };
    const usage = outputUsage(this.context.usage ?? NONE);
    return this.#close() + event("message_delta", { delta, usage }) + event("message_stop", {});
  }

  #toolCall(call: ToolCall): string {
    const { id, name } = call;
    const deltas = ["", ...argsPieces(call)]
      .map((piece) => ({ type: "input_json_delta", partial_json: piece }));
    return this.#whole({ type: "tool_use", id, name, input: {} }, deltas);
  }

  #in(kind: "text" | "thinking", delta: Record<string, unknown>): string {
    const opening = this.#open === kind ? "" : this.#close() + this.#start(emptyBlock(kind));
    this.#open = kind;
    return opening + this.#delta(delta);
  }

  #whole(block: Record<string, unknown>, deltas: Record<string, unknown>[]): string {
    return this.#close() + this.#start(block) +
      deltas.map((delta) => this.#delta(delta)).join("") + this.#stop();
  }

  #close(): string {
    if (this.#open === undefined) return "";
    this.#open = undefined;
    return this.#stop();
  }

  #start(content_block: Record<string, unknown>): string {
    return event("content_block_start", { index: ++this.#index, content_block });
  }

  #delta(delta: Record<string, unknown>): string {
    return event("content_block_delta", { index: this.#index, delta });
  }

  #stop(): string {
    return event("content_block_stop", { index: this.#index });
  }
}

function wholeMessage(
  context: AnswerContext,
  blocks: readonly Block[],
  reason: FinishReason,
): unknown {
  const usage = context.usage ?? NONE;
  return {
    ...messageHead(context),
    content: blocks.flatMap(contentBlock),
    stop_reason: stopReason(reason),
    stop_sequence: null,
    usage: { ...inputUsage(usage), ...outputUsage(usage) },
  };
}

function contentBlock(block: Block): Record<string, unknown>[] {
  switch (block.kind) {
    case "text": {
      const citations = block.sources.map(citation);
      return [{ type: "text", text: block.text, ...(citations.length > 0 && { citations }) }];
    }
    case "reasoning":
      return [{ type: "thinking", thinking: block.text, signature: block.signature ?? "" }];
    case "redacted":
      return [{ type: "redacted_thinking", data: block.data }];
    case "tool": {
      const { id, name } = block.call;
      return [{ type: "tool_use", id, name, input: parsedArgs(block.call) }];
    }
    case "file":
      return [];
  }
}

function parsedArgs(call: ToolCall): unknown {
  try {
    return JSON.parse(argsText(call));
  } catch {
    return call.args;
  }
}

function messageHead({ serial, model }: AnswerContext) {
  return { id: `msg_${serial}`, type: "message", role: "assistant", model };
}

function emptyBlock(kind: "text" | "thinking"): Record<string, unknown> {
  return kind === "text" ? { type: "text", text: "" } : {
    type: "thinking",
    thinking: "",
    signature: "",
  };
}

function citation({ url, title }: { url: string; title: string }) {
  const type = "web_search_result_location";
  return { type, cited_text: "", url, title, encrypted_index: "" };
}

// Anthropic does not include cached tokens in the input.
function inputUsage(usage: Required<Usage>) {
  return {
    input_tokens: usage.input - usage.cached,
    cache_creation_input_tokens: 0,
    cache_read_input_tokens: usage.cached,
  };
}

function outputUsage(usage: Required<Usage>) {
  return {
    output_tokens: usage.output,
    output_tokens_details: { thinking_tokens: usage.reasoning },
  };
}

function stopReason(reason: FinishReason): string {
  const names = {
    "stop": "end_turn",
    "length": "max_tokens",
    "content-filter": "refusal",
    "tool-calls": "tool_use",
  };
  return names[reason];
}

function anthropicFailure({ message, status = 500, type }: Failure): unknown {
  const own = ERROR_TYPES[status] ?? (status < 500 ? "invalid_request_error" : "api_error");
  return { type: "error", error: { type: type ?? own, message } };
}

const ERROR_TYPES: Record<number, string> = {
  401: "authentication_error",
  403: "permission_error",
  404: "not_found_error",
  413: "request_too_large",
  429: "rate_limit_error",
  503: "overloaded_error",
  529: "overloaded_error",
};

function event(type: string, payload: Record<string, unknown>): string {
  return sse({ type, ...payload }, type);
}
