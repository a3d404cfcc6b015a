/** OpenAI's chat completions, which compatible servers also speak. */
import {
  type AnswerContext,
  argsPieces,
  argsText,
  type Block,
  CREATED,
  type Dialect,
  sse,
  type StreamRenderer,
  textOf,
} from "./dialect.ts";
import type { ContentStep, Failure, FinishReason, ToolCall, Usage } from "./script.ts";

/** `POST {base}/chat/completions`. */
export const openaiChat: Dialect = {
  name: "chat",
  inputFirst: false,
  // Like the real service: no usage in a stream unless requested.
  wantsUsage: (body) =>
    (body.stream_options as { include_usage?: boolean } | undefined)?.include_usage === true,
  stream: (context) => new ChatRenderer(context),
  whole: wholeCompletion,
  failure: openaiFailure,
};

class ChatRenderer implements StreamRenderer {
  #opened = false;
  #toolCalls = 0;

  constructor(private readonly context: AnswerContext) {}

  // The role's chunk depends on the first content, so it is sent with that.
  start(): string {
    return "";
  }

  content(step: ContentStep): string {
    if ("text" in step) return this.#delta({ content: step.text });
    if ("reasoning" in step) return this.#delta({ reasoning_content: step.reasoning });
    if ("toolCall" in step) return this.#toolCall(step.toolCall);
    if ("source" in step) return this.#delta({ annotations: [citation(step.source)] });
    return "";
  }

  error(failure: Failure): string {
    return sse(openaiFailure(failure));
  }

  finish(reason: FinishReason): string {
    const { usage } = this.context;
    const last = this.#delta({}, finishReason(reason));
    return last + (usage ? this.#chunk([], { usage: usageOf(usage) }) : "") + "data: [DONE]\n\n";
  }

  #toolCall(call: ToolCall): string {
    const index = this.#toolCalls++;
    const { id, name } = call;
    const first = { index, id, type: "function", function: { name, arguments: "" } };
    return this.#delta({ tool_calls: [first] }) +
      argsPieces(call)
        .map((piece) => this.#delta({ tool_calls: [{ index, function: { arguments: piece } }] }))
        .join("");
  }

  #delta(delta: Record<string, unknown>, finish_reason: string | null = null): string {
    return this.#role(delta) + this.#chunk([{ index: 0, delta, logprobs: null, finish_reason }]);
  }

  #role(first: Record<string, unknown>): string {
    if (this.#opened) return "";
    this.#opened = true;
    const content = "content" in first ? "" : null;
    return this.#chunk([{
      index: 0,
      delta: { role: "assistant", content },
      logprobs: null,
      finish_reason: null,
    }]);
  }

  #chunk(choices: unknown[], more: Record<string, unknown> = {}): string {
    const { serial, model } = this.context;
    const id = `chatcmpl-${serial}`;
    const object = "chat.completion.chunk";
    return sse({ id, object, created: CREATED, model, choices, ...more });
  }
}

function wholeCompletion(
  { serial, model, usage }: AnswerContext,
  blocks: readonly Block[],
  reason: FinishReason,
): unknown {
  const calls = blocks.flatMap((block) => block.kind === "tool" ? [block.call] : []);
  const sources = blocks.flatMap((block) => block.kind === "text" ? block.sources : []);
  const reasoning = blocks.map((block) => block.kind === "reasoning" ? block.text : "").join("");
  const message = {
    role: "assistant",
    content: textOf(blocks) || null,
    ...(reasoning && { reasoning_content: reasoning }),
    ...(sources.length > 0 && { annotations: sources.map(citation) }),
    ...(calls.length > 0 && {
      tool_calls: calls.map((call) => ({
        id: call.id,
        type: "function",
        function: { name: call.name, arguments: argsText(call) },
      })),
    }),
  };
  return {
    id: `chatcmpl-${serial}`,
    object: "chat.completion",
    created: CREATED,
    model,
    choices: [{ index: 0, message, logprobs: null, finish_reason: finishReason(reason) }],
    ...(usage && { usage: usageOf(usage) }),
  };
}

function citation({ url, title }: { url: string; title: string }) {
  return { type: "url_citation", url_citation: { start_index: 0, end_index: 0, url, title } };
}

function finishReason(reason: FinishReason): string {
  return reason.replace("-", "_");
}

function usageOf(usage: Required<Usage>) {
  return {
    prompt_tokens: usage.input,
    completion_tokens: usage.output,
    total_tokens: usage.input + usage.output,
    prompt_tokens_details: { cached_tokens: usage.cached },
    completion_tokens_details: { reasoning_tokens: usage.reasoning },
  };
}

/** The JSON error of both OpenAI APIs. */
export function openaiFailure(failure: Failure): unknown {
  const { type, code } = openaiErrorNames(failure);
  return { error: { message: failure.message, type, param: null, code } };
}

/** OpenAI's error type and code for a status. */
export function openaiErrorNames(failure: Failure): { type: string; code: string | null } {
  const [type, code] = ERROR_NAMES[failure.status ?? 500] ??
    ((failure.status ?? 500) < 500 ? ["invalid_request_error", null] : ["server_error", null]);
  return { type: failure.type ?? type, code: failure.code ?? code };
}

const ERROR_NAMES: Record<number, [type: string, code: string | null]> = {
  401: ["invalid_request_error", "invalid_api_key"],
  404: ["invalid_request_error", "model_not_found"],
  429: ["requests", "rate_limit_exceeded"],
  500: ["server_error", "server_error"],
  503: ["server_error", "server_is_overloaded"],
};
