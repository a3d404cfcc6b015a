/** What the scripted provider plays: a neutral list of steps that every dialect can say. */

/** Why an answer ended, in the AI SDK's words. */
export type FinishReason = "stop" | "length" | "content-filter" | "tool-calls";

/**
 * Tokens, counted alike in every dialect: `input` includes the `cached` ones, `output` includes the
 * `reasoning` ones. What the SDK reads as totals is therefore the same in all of them.
 */
export interface Usage {
  input: number;
  output: number;
  cached?: number;
  reasoning?: number;
}

/** A failure in neutral words; each dialect fills in the names that its own service uses. */
export interface Failure {
  message: string;
  /** An HTTP status code; 500 if absent. Inside a 200 stream it only chooses type and code. */
  status?: number;
  /** In place of the type that belongs to the status (OpenAI, Anthropic) or the RPC status (Google). */
  type?: string;
  /** In place of OpenAI's code for the status. */
  code?: string;
}

/** A call of a function tool. */
export interface ToolCall {
  id: string;
  name: string;
  /** An object; a string is sent as it is, so that it may be broken JSON. */
  args: unknown;
  /** Into how many deltas the arguments are cut; 1 if absent. Google always sends a whole call. */
  chunks?: number;
}

/** A place where a script stands still until the test calls `open()`. */
export interface Gate {
  /** Resolves when the gate has been opened. */
  readonly opened: Promise<void>;
  open(): void;
}

/**
 * A step that a dialect renders as frames. Where a dialect has no words for one it is left out:
 * - `reasoning` in chat completions is `reasoning_content`, which `@ai-sdk/openai` ignores and
 *   `@ai-sdk/openai-compatible` reads;
 * - `reasoningSignature` is Anthropic's signature, Google's thoughtSignature and the Responses API's
 *   encrypted_content, and ends the block of reasoning; not in chat completions;
 * - `redactedReasoning` is Anthropic's alone;
 * - `source` exists everywhere (chat: annotations; Anthropic: a web search citation);
 * - `file` (base64 in `data`) is Google's alone.
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
 * - `wait`: stand still until the gate opens or the promise settles;
 * - `delay`: milliseconds, counted from when the delay before it was due, so that a pace does not drift;
 * - `raw`: bytes of the body as they are;
 * - `end`: as the last step, end the body as HTTP asks but without the frames of a finish;
 * - `cut`: close the socket now, in the middle of the body;
 * - `stall`: send nothing more and keep the socket open until the client closes it;
 * - `error`: the dialect's own error event inside the 200 stream; as the first step it is the first
 *   event of all (without streaming: an HTTP error);
 * - `noUsage`: the answer reports no tokens (Anthropic, which must, reports zeros).
 *
 * A script with no `finish`, `end`, `cut`, `stall` or `error` finishes by itself: "tool-calls" if it calls a
 * tool, else "stop", with 10 tokens in and one token out for each text step.
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

/** How one request is answered. */
export interface Script {
  steps?: readonly Step[];
  /** An error status: the dialect's JSON error is the whole answer and the steps are not played. */
  status?: number;
  /** The message of the error for `status`. */
  message?: string;
  /** The body for `status`, in place of the dialect's JSON error (a proxy's HTML page, say). */
  body?: string;
  /** More response headers, such as `retry-after`. */
  headers?: Record<string, string>;
  /**
   * Close the connection once the request has been read, with not a byte of an answer. If the request
   * came over a connection kept alive from an earlier one, Deno's fetch (2.7 and later) sends it a second
   * time by itself over a new one: the provider then records two requests, and takes two scripts of a
   * queue, for what the caller thinks is one.
   */
  refuse?: true;
  /** Send nothing, not even headers, until this opens or settles. */
  hold?: Gate | PromiseLike<unknown>;
  /** Close the socket after exactly so many bytes of the body (0: after the headers). */
  cutAtByte?: number;
  /** How many content steps go into one write to the socket; 1 if absent. */
  chunksPerWrite?: number;
  /** Render once per dialect and model and send the same bytes, ids too, to each request: for benches. */
  prerender?: true;
}

/** A new gate, closed. */
export function gate(): Gate {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { opened: promise, open: resolve };
}

/**
 * `count` text steps of `size` letters each (5 if absent), numbered so that a lost, doubled or
 * swapped one shows: "0    ", "1    ", …
 */
export function deltas(count: number, size = 5): Step[] {
  return Array.from({ length: count }, (_, index) => ({ text: String(index).padEnd(size) }));
}

/** The promise behind what a script waits for. */
export function settled(wait: Gate | PromiseLike<unknown>): PromiseLike<unknown> {
  return "opened" in wait ? wait.opened : wait;
}
