/** Google's generateContent. */
import {
  type AnswerContext,
  argsText,
  type Block,
  type Dialect,
  type StreamRenderer,
} from "./dialect.ts";
import type { ContentStep, Failure, FinishReason, ToolCall, Usage } from "./script.ts";

/** `POST {base}/models/MODEL:streamGenerateContent?alt=sse` and `:generateContent`. */
export const google: Dialect = {
  name: "google",
  inputFirst: false,
  wantsUsage: () => true,
  stream: (context) => new CandidateRenderer(context),
  whole: (context, blocks, reason) => ({
    candidates: [{
      content: { role: "model", parts: blocks.flatMap(partsOf) },
      finishReason: finishReason(reason),
      index: 0,
      ...grounding(blocks.flatMap((block) => block.kind === "text" ? block.sources : [])),
    }],
    ...trailer(context),
  }),
  failure: googleFailure,
};

type Part = Record<string, unknown>;

class CandidateRenderer implements StreamRenderer {
  constructor(private readonly context: AnswerContext) {}

  start(): string {
    return "";
  }

  content(step: ContentStep): string {
    if ("source" in step) return this.#candidate([], grounding([step.source]));
    const part = partOf(step);
    return part ? this.#candidate([part]) : "";
  }

  error(failure: Failure): string {
    return frame(googleFailure(failure));
  }

  finish(reason: FinishReason): string {
    const usage = trailer(this.context);
    return this.#candidate([{ text: "" }], { finishReason: finishReason(reason) }, usage);
  }

  #candidate(parts: Part[], more: Part = {}, usage: Part = {}): string {
    const content = { role: "model", parts };
    const { modelVersion, responseId } = trailer(this.context);
    return frame({
      candidates: [{ content, index: 0, ...more }],
      modelVersion,
      responseId,
      ...usage,
    });
  }
}

function partOf(step: Exclude<ContentStep, { source: unknown }>): Part | undefined {
  if ("text" in step) return { text: step.text };
  if ("reasoning" in step) return { text: step.reasoning, thought: true };
  if ("reasoningSignature" in step) {
    return { text: "", thought: true, thoughtSignature: step.reasoningSignature };
  }
  if ("toolCall" in step) return functionCall(step.toolCall);
  if ("file" in step) return inlineData(step.file.mediaType, step.file.data);
  return undefined;
}

function partsOf(block: Block): Part[] {
  switch (block.kind) {
    case "text":
      return [{ text: block.text }];
    case "reasoning": {
      const { text, signature } = block;
      return [{ text, thought: true, ...(signature && { thoughtSignature: signature }) }];
    }
    case "tool":
      return [functionCall(block.call)];
    case "file":
      return [inlineData(block.mediaType, block.data)];
    case "redacted":
      return [];
  }
}

function functionCall(call: ToolCall): Part {
  return { functionCall: { id: call.id, name: call.name, args: parsedArgs(call) } };
}

// Broken JSON cannot be an object here; the SDK passes a string through unchanged.
function parsedArgs(call: ToolCall): unknown {
  try {
    return JSON.parse(argsText(call));
  } catch {
    return call.args;
  }
}

function inlineData(mimeType: string, data: string): Part {
  return { inlineData: { mimeType, data } };
}

function grounding(sources: readonly { url: string; title: string }[]): Part {
  if (sources.length === 0) return {};
  const groundingChunks = sources.map(({ url, title }) => ({ web: { uri: url, title } }));
  return { groundingMetadata: { groundingChunks } };
}

function trailer({ serial, model, usage }: AnswerContext): Part {
  return {
    modelVersion: model,
    responseId: `gemini-${serial}`,
    ...(usage && { usageMetadata: usageOf(usage) }),
  };
}

// Google does not include thoughts in the candidates' tokens.
function usageOf(usage: Required<Usage>) {
  return {
    promptTokenCount: usage.input,
    cachedContentTokenCount: usage.cached,
    candidatesTokenCount: usage.output - usage.reasoning,
    thoughtsTokenCount: usage.reasoning,
    totalTokenCount: usage.input + usage.output,
  };
}

function finishReason(reason: FinishReason): string {
  const names = {
    "stop": "STOP",
    "length": "MAX_TOKENS",
    "content-filter": "SAFETY",
    "tool-calls": "STOP",
  };
  return names[reason];
}

function googleFailure({ message, status = 500, type }: Failure): unknown {
  const own = RPC_STATUS[status] ?? (status < 500 ? "INVALID_ARGUMENT" : "INTERNAL");
  return { error: { code: status, message, status: type ?? own } };
}

const RPC_STATUS: Record<number, string> = {
  401: "UNAUTHENTICATED",
  403: "PERMISSION_DENIED",
  404: "NOT_FOUND",
  429: "RESOURCE_EXHAUSTED",
  503: "UNAVAILABLE",
  504: "DEADLINE_EXCEEDED",
};

// Google ends its frames with CRLF.
function frame(payload: unknown): string {
  return `data: ${JSON.stringify(payload)}\r\n\r\n`;
}
