import { callHash } from "../domain/approval.ts";
import { toolNameOf, type ToolPart } from "../domain/message.ts";
import { nameOf } from "./call_parts.ts";

/** How often in a row a model may call a tool with the same arguments. */
const REPEATS = 5;

/** Counts the steps of one run, and the calls in it that repeat the one before. */
export class LoopLimits {
  #steps = 0;
  #last = "";
  #repeats = 0;

  /** `most` is how many steps a run may take. */
  constructor(private readonly most: number) {}

  /** Counts a step. */
  countStep(): void {
    this.#steps++;
  }

  /** Counts the calls of the step. Gives why none of them may run; undefined if they may. */
  reached(calls: readonly ToolPart[]): string | undefined {
    let reason = this.#steps >= this.most
      ? `The answer has taken ${this.#steps} steps, and may not take more.`
      : undefined;
    for (const part of calls) {
      const call = callHash(toolNameOf(part), part.input);
      this.#repeats = call === this.#last ? this.#repeats + 1 : 1;
      this.#last = call;
      if (this.#repeats < REPEATS) continue;
      reason ??= `The model called ${nameOf(part)} with the same arguments ` +
        `${REPEATS} times in a row.`;
    }
    return reason;
  }
}
