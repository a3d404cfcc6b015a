import { Assembly } from "../domain/assembly.ts";
import type { LoggedEvent, RunEvent } from "../domain/event.ts";
import type { Part } from "../domain/message.ts";
import { AnswerBounds } from "../models/answer_bounds.ts";
import { addUsage, estimateTokens, NO_USAGE, type Usage } from "../domain/usage.ts";

/**
 * What another process left of an answer: its log, taken event by event. Nothing in it keeps the rest
 * from being taken.
 */
export class Remains {
  /** The parts; it may be continued, or be closed. */
  readonly assembly: Assembly;
  /** The number of the last event. */
  head = 0;
  last: RunEvent | undefined;
  /** True if the answer has not all that is in the log. */
  isDamaged = false;
  /** True if no more text fits. */
  isFull = false;
  /** The ids of its calls of tools that this server runs. */
  readonly serverCalls = new Set<string>();
  /** What is stored of it is stored in one turn. */
  readonly #bounds = new AnswerBounds();
  #whole: Usage = NO_USAGE;
  /** The length of the text since the last whole step. */
  #said = 0;

  /**
   * Begins with the parts of the answer that the run continues. `askedTokens` is the estimate of the
   * prompt that was not answered to the end.
   */
  constructor(before: readonly Part[] | undefined, private readonly askedTokens: number) {
    this.assembly = new Assembly(before);
  }

  add({ seq, event }: LoggedEvent): void {
    this.head = seq;
    if (!this.#fits(event)) {
      this.isDamaged = true;
      return;
    }
    this.last = event;
    this.assembly.apply(event);
    if (event.type === "tool-input" && event.server) this.serverCalls.add(event.toolCallId);
    if (event.type === "text-delta") this.#said += event.text.length;
    if (event.type !== "step-finish") return;
    this.#said = 0;
    this.#whole = addUsage(this.#whole, event.usage);
  }

  /** Leaves out what comes up to that event. */
  skipTo(seq: number): void {
    this.isDamaged = true;
    this.head = Math.max(this.head, seq);
  }

  /** What the other process was paid for, as far as the log tells: in all, and for the last step. */
  get usage(): { usage: Usage; stepUsage: Usage } {
    const outputTokens = estimateTokens(this.#said);
    const stepUsage = {
      ...NO_USAGE,
      inputTokens: this.askedTokens,
      outputTokens,
      estimated: true,
    };
    return { usage: addUsage(this.#whole, stepUsage), stepUsage };
  }

  #fits(event: RunEvent | null | undefined): event is RunEvent {
    if (typeof event?.type !== "string") return false;
    // No part of the message: a run bounds it apart.
    if (event.type === "tool-progress") return true;
    try {
      this.#bounds.take(event, this.assembly.length);
      return true;
    } catch {
      this.isFull ||= "text" in event;
      return false;
    }
  }
}
