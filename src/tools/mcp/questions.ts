import type { ElicitRequestFormParams, ElicitResult } from "@modelcontextprotocol/client";
import type { JsonObject } from "../../domain/json.ts";
import type { ToolQuestion } from "../../domain/tool.ts";

/** The longest message of a question, and the largest schema of its answer, in characters. */
const MESSAGE = 2_000;
const SCHEMA = 16_000;

/** A call that may ask something. */
export interface Asker {
  /** What was answered before, by the message of the question. */
  readonly answers: JsonObject;
  /** What it asks and nobody has answered. */
  question: ToolQuestion | undefined;
}

/**
 * The questions of a server's tools (elicitation). Nobody waits for a person here: a question that has no
 * answer yet is cancelled, and its call is made again once it has one.
 */
export class Questions {
  readonly #running = new Set<Asker>();

  /** Opens a call; the result ends it. */
  open(answers: JsonObject): Asker & Disposable {
    const asker = { answers, question: undefined };
    this.#running.add(asker);
    return Object.assign(asker, { [Symbol.dispose]: () => void this.#running.delete(asker) });
  }

  /** Answers a question. The protocol of 2025 does not say which call asks: of several, none is known. */
  take({ message, requestedSchema }: ElicitRequestFormParams): ElicitResult {
    const [asker, ...others] = this.#running;
    if (!asker || others.length > 0) return { action: "cancel" };
    const known = asker.answers[message];
    if (known !== undefined) {
      return { action: "accept", content: known as NonNullable<ElicitResult["content"]> };
    }
    const schema = requestedSchema as unknown as JsonObject;
    if (message.length <= MESSAGE && JSON.stringify(schema).length <= SCHEMA) {
      asker.question ??= { message, schema };
    }
    return { action: "cancel" };
  }
}
