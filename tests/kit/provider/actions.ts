/** Turns a script into actions on the wire. */
import { type AnswerContext, blocksOf, type Dialect } from "./dialect.ts";
import {
  type ContentStep,
  type Failure,
  type FinishReason,
  type FinishStep,
  type Script,
  settled,
  type Step,
  type Usage,
} from "./script.ts";

/**
 * One action on the wire. A head without a `length` starts a chunked body; `reports` holds the tokens
 * that a payload reports to the client.
 */
export type Action =
  | { head: { status: number; headers: Record<string, string>; length?: number } }
  | { send: Uint8Array; reports?: Partial<Usage> }
  | { wait: PromiseLike<unknown> }
  | { delay: number }
  | { cut: true }
  | { stall: true }
  | { refuse: true };

/** The parts of a request that decide how to render a script. */
export interface Asked {
  readonly dialect: Dialect;
  readonly model: string;
  readonly streaming: boolean;
  readonly body: Record<string, unknown>;
  /** Generates the ids of the answer. */
  readonly number: number;
}

const encoder = new TextEncoder();
const STREAM = { "content-type": "text/event-stream", "cache-control": "no-cache" };
const JSON_TYPE = { "content-type": "application/json" };

/** The actions that play a script as the answer to one request. */
export function actionsOf(script: Script, asked: Asked): Action[] {
  const hold: Action[] = script.hold ? [{ wait: settled(script.hold) }] : [];
  if (script.refuse) return [...hold, { refuse: true }];
  const steps = script.steps ?? [];
  const context = {
    serial: String(asked.number).padStart(6, "0"),
    model: asked.model,
    usage: usageOf(steps, asked),
  };
  if (script.status !== undefined) {
    return [...hold, ...failureActions(script, asked.dialect, statusFailure(script))];
  }
  const actions = asked.streaming ? streamActions : wholeActions;
  return [...hold, ...actions(script, asked.dialect, context)];
}

function streamActions(script: Script, dialect: Dialect, context: AnswerContext): Action[] {
  const steps = script.steps ?? [];
  const renderer = dialect.stream(context);
  const track = new Track(script.chunksPerWrite ?? 1);
  const { atStart, atFinish } = reportsOf(dialect, context.usage);
  const failsAtOnce = steps[0] !== undefined && "error" in steps[0];
  if (!failsAtOnce) track.frames(renderer.start(), atStart);
  for (const step of steps) {
    if (isContent(step)) track.delta(renderer.content(step));
    else if ("finish" in step) track.frames(renderer.finish(step.finish), atFinish);
    else if ("error" in step) track.frames(renderer.error(step.error));
    else if ("raw" in step) track.bytes(step.raw);
    else track.pause(step);
  }
  if (!steps.some(ends)) track.frames(renderer.finish(finishOf(steps)), atFinish);
  const head = { status: 200, headers: { ...STREAM, ...script.headers } };
  return [{ head }, ...track.finished()];
}

// Without streaming the pauses come first: the head is sent once the whole answer is known.
function wholeActions(script: Script, dialect: Dialect, context: AnswerContext): Action[] {
  const steps = script.steps ?? [];
  const pauses = new Track(1);
  for (const step of steps) if (!isContent(step)) pauses.pause(step);
  const error = steps.find((step) => "error" in step);
  if (error) return [...pauses.finished(), ...failureActions(script, dialect, error.error)];
  const raw = steps.find((step) => "raw" in step);
  const body = raw ? raw.raw : JSON.stringify(
    dialect.whole(context, blocksOf(steps), finishOf(steps)),
  );
  const reports = raw ? undefined : context.usage;
  return [...pauses.finished(), ...bodyActions(200, script, body, reports)];
}

function failureActions(script: Script, dialect: Dialect, failure: Failure): Action[] {
  const body = script.body ?? JSON.stringify(dialect.failure(failure));
  return bodyActions(failure.status ?? 500, script, body);
}

function bodyActions(
  status: number,
  script: Script,
  body: string | Uint8Array,
  reports?: Usage,
): Action[] {
  const send = typeof body === "string" ? encoder.encode(body) : body;
  const head = { status, headers: { ...JSON_TYPE, ...script.headers }, length: send.length };
  return [{ head }, { send, ...(reports && { reports }) }];
}

/** Gathers frames into writes. */
class Track {
  readonly #actions: Action[] = [];
  #pending = "";
  #deltas = 0;
  #reports: Partial<Usage> | undefined;

  constructor(private readonly deltasPerWrite: number) {}

  /** Adds frames that go out with the next ones, or before the next pause. */
  frames(text: string, reports?: Partial<Usage>): void {
    this.#pending += text;
    if (reports) this.#reports = { ...this.#reports, ...reports };
  }

  delta(text: string): void {
    this.#pending += text;
    if (++this.#deltas >= this.deltasPerWrite) this.#flush();
  }

  bytes(raw: string | Uint8Array): void {
    if (typeof raw === "string") return this.delta(raw);
    this.#flush();
    this.#actions.push({ send: raw });
  }

  pause(step: Exclude<Step, ContentStep>): void {
    if ("wait" in step) this.#push({ wait: settled(step.wait) });
    else if ("delay" in step || "cut" in step || "stall" in step) this.#push(step);
  }

  finished(): Action[] {
    this.#flush();
    return this.#actions;
  }

  #push(action: Action): void {
    this.#flush();
    this.#actions.push(action);
  }

  #flush(): void {
    if (this.#pending) {
      const reports = this.#reports && { reports: this.#reports };
      this.#actions.push({ send: encoder.encode(this.#pending), ...reports });
    }
    this.#pending = "";
    this.#deltas = 0;
    this.#reports = undefined;
  }
}

function usageOf(steps: readonly Step[], asked: Asked): Required<Usage> | undefined {
  if (steps.some((step) => "noUsage" in step)) return undefined;
  if (asked.streaming && !asked.dialect.wantsUsage(asked.body)) return undefined;
  const output = steps.filter((step) => "text" in step).length;
  const finish = steps.findLast((step): step is FinishStep => "finish" in step);
  return { cached: 0, reasoning: 0, ...(finish?.usage ?? { input: 10, output }) };
}

/** The tokens that the first frames report, and those that the last ones do. */
function reportsOf(dialect: Dialect, usage: Required<Usage> | undefined) {
  if (!usage || !dialect.inputFirst) return { atStart: undefined, atFinish: usage };
  const { input, cached, output, reasoning } = usage;
  return { atStart: { input, cached }, atFinish: { output, reasoning } };
}

function statusFailure({ status = 500, message }: Script): Failure {
  return { status, message: message ?? `Scripted status ${status}` };
}

function finishOf(steps: readonly Step[]): FinishReason {
  const finish = steps.findLast((step): step is FinishStep => "finish" in step);
  return finish?.finish ?? (steps.some((step) => "toolCall" in step) ? "tool-calls" : "stop");
}

function ends(step: Step): boolean {
  return "finish" in step || "end" in step || "cut" in step || "stall" in step ||
    "error" in step;
}

function isContent(step: Step): step is ContentStep {
  return "text" in step || "reasoning" in step || "reasoningSignature" in step ||
    "redactedReasoning" in step || "toolCall" in step || "source" in step || "file" in step;
}
