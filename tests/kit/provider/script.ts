/** What the scripted provider plays: a neutral list of steps that every dialect can render. */

/** Why an answer ended, in the AI SDK's words. */
export type FinishReason = "stop" | "length" | "content-filter" | "tool-calls";

/**
 * Tokens, counted the same way in every dialect: `input` includes the `cached` ones, `output` the
 * `reasoning` ones. So the SDK reads the same totals in all of them.
 */
export interface Usage {
  input: number;
  output: number;
  cached?: number;
  reasoning?: number;
}

/** A failure in neutral terms; each dialect fills in the names of its own service. */
export interface Failure {
  message: string;
  /** An HTTP status code; 500 if absent. Inside a 200 stream it only chooses type and code. */
  status?: number;
  /** Replaces the type for the status (OpenAI, Anthropic) or the RPC status (Google). */
  type?: string;
  /** Replaces OpenAI's code for the status. */
  code?: string;
}

/** A call of a function tool. */
export interface ToolCall {
  id: string;
  name: string;
  /** An object; a string is sent unchanged, so that it can be broken JSON. */
  args: unknown;
  /** The number of deltas to split the arguments into; default: 1. Google always sends a whole call. */
  chunks?: number;
}

/** A point where a script waits until the test calls `open()`. */
export interface Gate {
  /** Resolves once the gate is open. */
  readonly opened: Promise<void>;
  open(): void;
}

/**
 * A step that a dialect renders as frames. A dialect omits a step that it cannot express:
 * - `reasoning` in chat completions is `reasoning_content`, which `@ai-sdk/openai` ignores and
 *   `@ai-sdk/openai-compatible` reads;
 * - `reasoningSignature` is Anthropic's signature, Google's thoughtSignature and the Responses API's
 *   encrypted_content, and ends the block of reasoning; not in chat completions;
 * - `redactedReasoning` exists only at Anthropic;
 * - `source` exists everywhere (chat: annotations; Anthropic: a web search citation);
 * - `file` (base64 in `data`) exists only at Google.
 */
export type ContentStep =
  | { text: string }
  | { reasoning: string }
  | { reasoningSignature: string }
  | { redactedReasoning: string }
  | { toolCall: ToolCall }
  | { source: { url: string; title: string } }
  | { file: { mediaType: string; data: string } };

/** The end of an answer with the frames that belong to it. */
export interface FinishStep {
  finish: FinishReason;
  usage?: Usage;
}

/**
 * One step of a script:
 * - `wait`: wait until the gate opens or the promise settles;
 * - `delay`: milliseconds, from when the previous delay was due, so that the pace does not drift;
 * - `raw`: raw bytes of the body;
 * - `end`: as the last step, end the body as HTTP requires, but without the frames of a finish;
 * - `cut`: close the socket now, in the middle of the body;
 * - `stall`: send nothing more and keep the socket open until the client closes it;
 * - `error`: the dialect's own error event inside the 200 stream; as the first step it is the first
 *   event of all (without streaming: an HTTP error);
 * - `noUsage`: the answer reports no tokens (Anthropic, which must, reports zeros).
 *
 * A script with no `finish`, `end`, `cut`, `stall` or `error` finishes by itself: with "tool-calls" if
 * it calls a tool, or else "stop", and with 10 input tokens and one output token per text step.
 */
export type Step =
  | ContentStep
  | FinishStep
  | { wait: Gate | PromiseLike<unknown> }
  | { delay: number }
  | { raw: string | Uint8Array }
  | { end: true }
  | { cut: true }
  | { stall: true }
  | { error: Failure }
  | { noUsage: true };

/** The answer to one request. */
export interface Script {
  steps?: readonly Step[];
  /** An error status: the dialect's JSON error is the whole answer and the steps are not played. */
  status?: number;
  /** The message of the error for `status`. */
  message?: string;
  /** The body for `status`, instead of the dialect's JSON error (say, a proxy's HTML page). */
  body?: string;
  /** More response headers, such as `retry-after`. */
  headers?: Record<string, string>;
  /**
   * Close the connection after reading the request, without a byte of an answer. If the request came
   * over a kept-alive connection, Deno's fetch (2.7 and later) resends it by itself over a new one: the
   * provider then records two requests, and takes two scripts from a queue, for what the caller thinks
   * is one.
   */
  refuse?: true;
  /** Send nothing, not even headers, until this opens or settles. */
  hold?: Gate | PromiseLike<unknown>;
  /** Close the socket after exactly this many bytes of the body (0: after the headers). */
  cutAtByte?: number;
  /** The number of content steps per write to the socket; default: 1. */
  chunksPerWrite?: number;
  /** Render once per dialect and model and send each request the same bytes, even ids: for benchmarks. */
  prerender?: true;
}

/** A new gate, closed. */
export function gate(): Gate {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}

/**
 * `count` text steps of `size` letters each (default: 5), numbered to expose lost, duplicate or
 * swapped ones: "0    ", "1    ", …
 */
export function deltas(count: number, size = 5): Step[] {
  return Array.from({ length: count }, (_, index) => ({ text: String(index).padEnd(size) }));
}

/** The promise that a script waits for. */
export function settled(wait: Gate | PromiseLike<unknown>): PromiseLike<unknown> {
  return "opened" in wait ? wait.opened : wait;
}
