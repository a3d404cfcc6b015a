/** OpenAI's Responses API. */
import {
  type AnswerContext,
  argsPieces,
  argsText,
  type Block,
  CREATED,
  type Dialect,
  sse,
  type StreamRenderer,
} from "./dialect.ts";
import { openaiErrorNames, openaiFailure } from "./openai_chat.ts";
import type { ContentStep, Failure, FinishReason, ToolCall, Usage } from "./script.ts";

/** `POST {base}/responses`. */
export const openaiResponses: Dialect = {
  name: "responses",
  inputFirst: false,
  wantsUsage: () => true,
  stream: (context) => new ResponsesRenderer(context),
  whole: wholeResponse,
  failure: openaiFailure,
};

type OutputItem = Record<string, unknown>;
type OpenItem =
  | { kind: "message"; id: string; text: string; annotations: unknown[] }
  | { kind: "reasoning"; id: string; text: string; encrypted: string | null };

class ResponsesRenderer implements StreamRenderer {
  readonly #output: OutputItem[] = [];
  #sequence = 0;
  #open: OpenItem | undefined;

  constructor(private readonly context: AnswerContext) {}

  start(): string {
    const response = this.#response("in_progress");
    return this.#event("response.created", { response }) +
      this.#event("response.in_progress", { response });
  }

  content(step: ContentStep): string {
    if ("text" in step) return this.#text(step.text);
    if ("source" in step) return this.#source(step.source);
    if ("reasoning" in step) return this.#reasoning(step.reasoning);
    if ("reasoningSignature" in step) return this.#signature(step.reasoningSignature);
    if ("toolCall" in step) return this.#toolCall(step.toolCall);
    return "";
  }

  error(failure: Failure): string {
    const { code } = openaiErrorNames(failure);
    return this.#event("error", { code, message: failure.message, param: null });
  }

  finish(reason: FinishReason): string {
    const closing = this.#close();
    const incomplete = incompleteReason(reason);
    const status = incomplete ? "incomplete" : "completed";
    const response = {
      ...this.#response(status),
      output: this.#output,
      incomplete_details: incomplete ? { reason: incomplete } : null,
      usage: this.context.usage ? usageOf(this.context.usage) : null,
    };
    return closing + this.#event(`response.${status}`, { response });
  }

  #text(delta: string): string {
    const opening = this.#openMessage();
    const open = this.#open as OpenItem & { kind: "message" };
    open.text += delta;
    const at = { item_id: open.id, output_index: this.#output.length, content_index: 0 };
    return opening + this.#event("response.output_text.delta", { ...at, delta, logprobs: [] });
  }

  #source(source: { url: string; title: string }): string {
    const opening = this.#openMessage();
    const open = this.#open as OpenItem & { kind: "message" };
    const annotation = citation(source);
    const annotation_index = open.annotations.push(annotation) - 1;
    const at = { item_id: open.id, output_index: this.#output.length, content_index: 0 };
    return opening +
      this.#event("response.output_text.annotation.added", { ...at, annotation_index, annotation });
  }

  #reasoning(delta: string): string {
    const opening = this.#openReasoning();
    const open = this.#open!;
    open.text += delta;
    const at = { item_id: open.id, output_index: this.#output.length, summary_index: 0 };
    return opening + this.#event("response.reasoning_summary_text.delta", { ...at, delta });
  }

  #signature(encrypted: string): string {
    const opening = this.#openReasoning();
    (this.#open as OpenItem & { kind: "reasoning" }).encrypted = encrypted;
    return opening + this.#close();
  }

  #toolCall(call: ToolCall): string {
    const closing = this.#close();
    const output_index = this.#output.length;
    const id = this.#itemId("fc");
    const at = { item_id: id, output_index };
    const item = { ...functionCall(id, call), status: "in_progress", arguments: "" };
    const done = functionCall(id, call);
    this.#output.push(done);
    return closing +
      this.#event("response.output_item.added", { output_index, item }) +
      argsPieces(call)
        .map((delta) => this.#event("response.function_call_arguments.delta", { ...at, delta }))
        .join("") +
      this.#event("response.function_call_arguments.done", { ...at, arguments: argsText(call) }) +
      this.#event("response.output_item.done", { output_index, item: done });
  }

  #openMessage(): string {
    if (this.#open?.kind === "message") return "";
    const closing = this.#close();
    const output_index = this.#output.length;
    const id = this.#itemId("msg");
    this.#open = { kind: "message", id, text: "", annotations: [] };
    const item = { ...message(id, "", []), status: "in_progress", content: [] };
    const part = { type: "output_text", text: "", annotations: [] };
    return closing + this.#event("response.output_item.added", { output_index, item }) +
      this.#event("response.content_part.added", {
        item_id: id,
        output_index,
        content_index: 0,
        part,
      });
  }

  #openReasoning(): string {
    if (this.#open?.kind === "reasoning") return "";
    const closing = this.#close();
    const output_index = this.#output.length;
    const id = this.#itemId("rs");
    this.#open = { kind: "reasoning", id, text: "", encrypted: null };
    const item = { id, type: "reasoning", summary: [] };
    const part = { type: "summary_text", text: "" };
    return closing + this.#event("response.output_item.added", { output_index, item }) +
      this.#event("response.reasoning_summary_part.added", {
        item_id: id,
        output_index,
        summary_index: 0,
        part,
      });
  }

  #close(): string {
    const open = this.#open;
    if (open === undefined) return "";
    this.#open = undefined;
    const output_index = this.#output.length;
    const frames = open.kind === "message"
      ? this.#messageDone(open.id, output_index, open.text, open.annotations)
      : this.#summaryDone(open.id, output_index, open.text);
    const item = open.kind === "message"
      ? message(open.id, open.text, open.annotations)
      : reasoning(open.id, open.text, open.encrypted);
    this.#output.push(item);
    return frames + this.#event("response.output_item.done", { output_index, item });
  }

  #messageDone(item_id: string, output_index: number, text: string, annotations: unknown[]) {
    const at = { item_id, output_index, content_index: 0 };
    const part = { type: "output_text", text, annotations };
    return this.#event("response.output_text.done", { ...at, text, logprobs: [] }) +
      this.#event("response.content_part.done", { ...at, part });
  }

  #summaryDone(item_id: string, output_index: number, text: string): string {
    const at = { item_id, output_index, summary_index: 0 };
    const part = { type: "summary_text", text };
    return this.#event("response.reasoning_summary_text.done", { ...at, text }) +
      this.#event("response.reasoning_summary_part.done", { ...at, part });
  }

  #itemId(prefix: string): string {
    return `${prefix}_${this.context.serial}_${this.#output.length}`;
  }

  #response(status: string) {
    const { serial, model } = this.context;
    return { ...responseHead(serial, model, status), output: [] as OutputItem[] };
  }

  #event(type: string, payload: Record<string, unknown>): string {
    return sse({ type, sequence_number: this.#sequence++, ...payload }, type);
  }
}

function wholeResponse(
  { serial, model, usage }: AnswerContext,
  blocks: readonly Block[],
  reason: FinishReason,
): unknown {
  const incomplete = incompleteReason(reason);
  return {
    ...responseHead(serial, model, incomplete ? "incomplete" : "completed"),
    incomplete_details: incomplete ? { reason: incomplete } : null,
    output: blocks.flatMap((block, index) => outputItem(block, `${serial}_${index}`)),
    usage: usage ? usageOf(usage) : null,
  };
}

function outputItem(block: Block, id: string): OutputItem[] {
  if (block.kind === "text") {
    return [message(`msg_${id}`, block.text, block.sources.map(citation))];
  }
  if (block.kind === "reasoning") {
    return [reasoning(`rs_${id}`, block.text, block.signature ?? null)];
  }
  return block.kind === "tool" ? [functionCall(`fc_${id}`, block.call)] : [];
}

function responseHead(serial: string, model: string, status: string) {
  const id = `resp_${serial}`;
  return { id, object: "response", created_at: CREATED, status, error: null, model };
}

function message(id: string, text: string, annotations: unknown[]): OutputItem {
  const content = [{ type: "output_text", text, annotations, logprobs: [] }];
  return { id, type: "message", status: "completed", role: "assistant", content };
}

function reasoning(id: string, text: string, encrypted_content: string | null): OutputItem {
  const summary = text ? [{ type: "summary_text", text }] : [];
  return { id, type: "reasoning", summary, ...(encrypted_content && { encrypted_content }) };
}

function functionCall(id: string, call: ToolCall): OutputItem {
  const { id: call_id, name } = call;
  return {
    id,
    type: "function_call",
    status: "completed",
    call_id,
    name,
    arguments: argsText(call),
  };
}

function citation({ url, title }: { url: string; title: string }) {
  return { type: "url_citation", start_index: 0, end_index: 0, url, title };
}

function incompleteReason(reason: FinishReason): string | undefined {
  if (reason === "length") return "max_output_tokens";
  return reason === "content-filter" ? "content_filter" : undefined;
}

function usageOf(usage: Required<Usage>) {
  return {
    input_tokens: usage.input,
    input_tokens_details: { cached_tokens: usage.cached },
    output_tokens: usage.output,
    output_tokens_details: { reasoning_tokens: usage.reasoning },
    total_tokens: usage.input + usage.output,
  };
}
