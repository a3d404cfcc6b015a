import type { JournaledCall } from "../domain/approval.ts";
import { RunError, type RunFailure } from "../domain/errors.ts";
import type { RunEvent } from "../domain/event.ts";
import type { ToolPart } from "../domain/message.ts";
import type { ToolQuestion } from "../domain/tool.ts";
import { failed } from "./call_parts.ts";
import type { Parts } from "./parts.ts";
import { whileHeld } from "./patience.ts";
import { type Listener, tellResult } from "./tool_result.ts";

type Needed =
  & Pick<Parts, "toolbox" | "toolCalls" | "disk">
  & Parameters<typeof whileHeld>[2]
  & Parameters<typeof tellResult>[4];

/** How many calls of a step run at once. */
const AT_ONCE = 8;

/** Whoever has the run by now asks for its calls anew. */
const LEASE_OVER: RunFailure = {
  class: "internal",
  message: "Parley stood still for too long to go on with this answer.",
  retryable: true,
};

/** A call that is to run. */
export interface Execution {
  part: ToolPart;
  call: JournaledCall;
}

/** A call whose tool asks something. */
export interface Asking extends Execution {
  question: ToolQuestion;
}

/** Runs the calls of one run: each is in the journal before, and told of as soon as it is over. */
export class CallExecution {
  /** The ids of the calls that may have had an effect. */
  readonly begun = new Set<string>();

  constructor(private readonly runId: string, private readonly parts: Needed) {}

  /**
   * Runs calls side by side. Resolves to those whose tools ask something.
   * @throws what the storage throws, with no call going on.
   */
  async run(
    calls: readonly Execution[],
    signal: AbortSignal,
    listener: Listener,
  ): Promise<Asking[]> {
    const { toolCalls, disk, ownership } = this.parts;
    const noted = calls.map(({ call }) => call);
    const begin = () => toolCalls.begin(noted);
    const begun = await whileHeld(this.runId, begin, this.parts, signal);
    // What changes nothing may run again, so its intent may be lost.
    if (noted.some(({ isRepeatable }) => !isRepeatable)) await disk.durable();
    const waiting = calls.values();
    const asking: Asking[] = [];
    const broken = new AbortController();
    const over = AbortSignal.any([signal, broken.signal]);
    const worker = async () => {
      for (const { part, call } of waiting) {
        over.throwIfAborted();
        if (!ownership.holds(this.runId)) throw new RunError(LEASE_OVER);
        if (begun.has(call.id)) {
          const question = await this.#runOne(part, call, over, listener);
          if (question) asking.push({ part, call, question });
        } else listener.emit(failed(part, "Not run: this call has no approval any more."));
      }
    };
    const workers = Array.from({ length: Math.min(AT_ONCE, calls.length) }, worker);
    // What fails here ends the run, and no call goes on behind its end.
    await Promise.all(workers).catch((error) => {
      broken.abort(error);
      throw error;
    });
    return asking;
  }

  async #runOne(
    part: ToolPart,
    call: JournaledCall,
    signal: AbortSignal,
    listener: Listener,
  ): Promise<ToolQuestion | undefined> {
    const { toolCallId } = part;
    this.begun.add(toolCallId);
    let isOver = false;
    const result = await this.parts.toolbox.execute(call, signal, (output) => {
      const progress: RunEvent = { type: "tool-progress", toolCallId, output };
      // Behind the result, clients would show it in its place.
      if (!isOver && listener.fits(progress)) listener.emit(progress);
    });
    isOver = true;
    signal.throwIfAborted();
    if ("question" in result) return result.question;
    await tellResult(part, result, call, listener, this.parts);
    return undefined;
  }
}
