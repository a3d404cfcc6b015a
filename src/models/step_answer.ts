import type {
  LanguageModelV4FinishReason,
  LanguageModelV4StreamPart,
  LanguageModelV4Usage,
} from "@ai-sdk/provider";
import { RunError } from "../domain/errors.ts";
import type { FinishReason } from "../domain/event.ts";
import type { Turns } from "../domain/turns.ts";
import { estimateTokens, tokenCount, type Usage } from "../domain/usage.ts";
import type { Emit, Step, StepOutcome } from "./step.ts";
import { runFailure } from "./failure.ts";
import { Translation } from "./translation.ts";

/** The most characters of one event, and of one turn. */
const PIECE = 32 * 1024;

/** The most characters of a provider's reason to end that are told. */
const MAX_REASON = 100;

type FinishPart = Extract<LanguageModelV4StreamPart, { type: "finish" }>;

/** Makes events of the parts of one answer, and says how it ended. */
export class StepAnswer {
  readonly #translation: Translation;
  #wait: Promise<void> | undefined;
  #next = PIECE;
  #outcome: StepOutcome | undefined;
  /** True once the answer has something to show beside thoughts. */
  #isSaid = false;

  constructor(
    private readonly step: Pick<Step, "model" | "prompt" | "tools" | "promptCharacters">,
    private readonly turns: Turns,
    emit: Emit,
  ) {
    this.#translation = new Translation((event) => {
      this.#wait = emit(event) || this.#wait;
    }, step.tools ?? []);
  }

  /** Takes a part; a promise asks the caller to wait. @throws what a part of type `error` says. */
  take(part: LanguageModelV4StreamPart): Promise<void> | void {
    if (part.type === "error") throw part.error;
    this.#isSaid ||= isContent(part);
    if (part.type === "finish") {
      const finishReason = this.#finishReason(part.finishReason);
      // What goes on after a crash may have been whole.
      if (!this.#isSaid && this.step.prompt.at(-1)?.role !== "assistant") {
        throw this.#empty(part);
      }
      this.#outcome = { finishReason, usage: this.#usage(part.usage) };
    } else if ("delta" in part && part.delta.length > PIECE) return this.#takePieces(part);
    else {
      this.#translation.part(part);
      return this.#pause();
    }
  }

  /** How the answer ended. @throws {RunError} if it broke off. */
  outcome(): StepOutcome {
    if (!this.#outcome) throw this.#cutOff();
    return this.#outcome;
  }

  get #name(): string {
    return `The provider "${this.step.model.provider}"`;
  }

  /** Takes a large delta as small ones, each of whole characters. */
  async #takePieces(part: Extract<LanguageModelV4StreamPart, { delta: string }>): Promise<void> {
    for (let from = 0, to = 0; from < part.delta.length; from = to) {
      to = from + PIECE;
      if (isHighSurrogate(part.delta.charCodeAt(to - 1))) to--;
      this.#translation.part({ ...part, delta: part.delta.slice(from, to) });
      await this.#pause();
    }
  }

  #pause(): Promise<void> | void {
    const wait = this.#wait;
    this.#wait = undefined;
    if (this.#translation.characters < this.#next) return wait;
    this.#next = this.#translation.characters + PIECE;
    return Promise.all([wait, this.turns.next()]).then(() => {});
  }

  #finishReason({ unified, raw }: LanguageModelV4FinishReason): FinishReason {
    // The SDK's own words for a stream that ended without a reason.
    if (unified === "interrupted" || (unified === "other" && raw === undefined)) {
      throw this.#cutOff();
    }
    return unified;
  }

  #empty({ finishReason: { unified, raw = unified }, usage }: FinishPart): RunError {
    const reason = raw.slice(0, MAX_REASON);
    const [kind, words] = unified === "length"
      ? ["provider_refused", "came to the limit of the answer before it said anything"] as const
      : unified === "content-filter"
      ? ["provider_refused", `withheld the answer (${reason})`] as const
      : ["provider_malformed", `ended without an answer (${reason})`] as const;
    const failure = runFailure(kind, `${this.#name} ${words}.`);
    return new RunError(failure, { usage: this.#usage(usage) });
  }

  #cutOff(): RunError {
    return new RunError(
      runFailure("provider_cut", `${this.#name} ended the answer in the middle.`),
    );
  }

  #usage({ inputTokens, outputTokens }: LanguageModelV4Usage): Usage {
    const { promptCharacters } = this.step;
    const { characters } = this.#translation;
    const input = countOf(inputTokens.total, promptCharacters);
    const output = countOf(outputTokens.total, characters);
    return {
      inputTokens: input ?? estimateTokens(promptCharacters),
      outputTokens: output ?? estimateTokens(characters),
      cachedTokens: tokenCount(inputTokens.cacheRead) ?? 0,
      reasoningTokens: tokenCount(outputTokens.reasoning) ?? 0,
      estimated: input === undefined || output === undefined,
    };
  }
}

function isHighSurrogate(code: number): boolean {
  return code >= 0xd800 && code < 0xdc00;
}

/** Some servers count nothing, and some dialects have no way to say so but a zero. */
function countOf(told: unknown, characters: number): number | undefined {
  const count = tokenCount(told);
  return count === 0 && characters > 0 ? undefined : count;
}

function isContent(part: LanguageModelV4StreamPart): boolean {
  switch (part.type) {
    case "text-delta":
      return /\S/.test(part.delta);
    case "tool-input-start":
    case "tool-call":
    case "tool-result":
    case "file":
    case "source":
      return true;
    default:
      return false;
  }
}
