import type {
  JSONSchema7,
  LanguageModelV4CallOptions,
  LanguageModelV4FinishReason,
  LanguageModelV4FunctionTool,
  LanguageModelV4Prompt,
  LanguageModelV4StreamPart,
  LanguageModelV4Usage,
} from "@ai-sdk/provider";
import type { Clock } from "../domain/clock.ts";
import { RunError } from "../domain/errors.ts";
import type { FinishReason, RunEvent } from "../domain/event.ts";
import { estimateTokens, type Usage } from "../domain/usage.ts";
import type { OutputFormat, ToolDefinition } from "../domain/tool.ts";
import type { Mask } from "../observe/mask.ts";
import type { CatalogModel } from "./catalog.ts";
import { providerFailure } from "./failure.ts";
import { StallWatch } from "./stall.ts";
import { thinkingOptions } from "./thinking.ts";
import { Translation } from "./translation.ts";

/** One request to a model. */
export interface Step {
  model: CatalogModel;
  prompt: LanguageModelV4Prompt;
  /** Asks for reasoning, in the provider's own terms. */
  thinking: boolean;
  maxOutputTokens?: number;
  /** Tools that the client runs. */
  tools?: ToolDefinition[];
  /** The JSON that the answer must be. */
  output?: OutputFormat;
}

/** How a step ended, where it ended well. */
export interface StepOutcome {
  finishReason: FinishReason;
  usage: Usage;
}

/** Takes an event; a promise asks to wait. */
export type Emit = (event: RunEvent) => Promise<void> | void;

/** Asks models: the only place that calls the AI SDK. */
export interface ModelCall {
  /**
   * Streams one step: calls `emit` for each part as it arrives, without `step-start` and
   * `step-finish`. Where `emit` gives a promise, no more is read until it resolves. Aborting
   * `signal` closes the provider's connection.
   * @throws {RunError} typed and masked; or the signal's reason once it is aborted.
   */
  stream(step: Step, signal: AbortSignal, emit: Emit): Promise<StepOutcome>;
}

/** What a model call needs. */
export interface ModelCallOptions {
  clock: Clock;
  mask: Mask;
  /** How long a provider may send nothing, in milliseconds. */
  stallMs: number;
}

/** Model calls by the provider models' own `doStream`: 2 µs a part against 30 by `streamText`. */
export function modelCall({ clock, mask, stallMs }: ModelCallOptions): ModelCall {
  return {
    async stream(step, signal, emit) {
      const watch = new StallWatch(clock, stallMs, step.model.provider, signal);
      try {
        const { stream } = await (await step.model.languageModel()).doStream({
          prompt: step.prompt,
          abortSignal: watch.signal,
          ...(step.maxOutputTokens !== undefined && { maxOutputTokens: step.maxOutputTokens }),
          ...(step.thinking && thinkingOptions(step.model.type)),
          ...(step.tools && { tools: step.tools.map(functionTool) }),
          ...(step.output && jsonFormat(step.output)),
        });
        return await readParts(stream, step, watch, emit);
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        if (watch.failure) throw watch.failure;
        throw new RunError(providerFailure(error, step.model.provider, mask), { cause: error });
      } finally {
        // A provider that answered badly may have left its connection open.
        watch.close();
      }
    },
  };
}

async function readParts(
  stream: ReadableStream<LanguageModelV4StreamPart>,
  step: Step,
  watch: StallWatch,
  emit: Emit,
): Promise<StepOutcome> {
  let wait: Promise<void> | undefined;
  const translation = new Translation((event) => {
    const asked = emit(event);
    if (asked instanceof Promise) wait = asked;
  }, new Set(step.tools?.map(({ name }) => name)));
  const reader = stream.getReader();
  let outcome: StepOutcome | undefined;
  for (let read = await reader.read(); !read.done; read = await reader.read()) {
    watch.touch();
    const part = read.value;
    if (part.type === "error") throw part.error;
    if (part.type !== "finish") {
      translation.part(part);
      if (wait) {
        await wait;
        wait = undefined;
      }
      continue;
    }
    outcome = {
      finishReason: readFinishReason(part.finishReason, step.model.provider),
      usage: readUsage(part.usage, step.prompt, translation.characters),
    };
  }
  if (!outcome) throw cutOff(step.model.provider);
  return outcome;
}

function functionTool({ name, description, schema }: ToolDefinition): LanguageModelV4FunctionTool {
  return {
    type: "function",
    name,
    ...(description !== undefined && { description }),
    inputSchema: schema as JSONSchema7,
  };
}

function jsonFormat(
  { name, schema }: OutputFormat,
): Required<Pick<LanguageModelV4CallOptions, "responseFormat">> {
  const named = name !== undefined && { name };
  return { responseFormat: { type: "json", schema: schema as JSONSchema7, ...named } };
}

function readFinishReason(reason: LanguageModelV4FinishReason, provider: string): FinishReason {
  const { unified, raw } = reason;
  // The SDK's own words for a stream that ended without a reason.
  if (unified === "interrupted" || (unified === "other" && raw === undefined)) {
    throw cutOff(provider);
  }
  return unified;
}

function cutOff(provider: string): RunError {
  return new RunError({
    class: "provider_cut",
    message: `The provider "${provider}" ended the answer in the middle.`,
    retryable: true,
  });
}

function readUsage(
  usage: LanguageModelV4Usage,
  prompt: LanguageModelV4Prompt,
  characters: number,
): Usage {
  const { inputTokens, outputTokens } = usage;
  return {
    inputTokens: inputTokens.total ?? estimatePrompt(prompt),
    outputTokens: outputTokens.total ?? estimateTokens(characters),
    cachedTokens: inputTokens.cacheRead ?? 0,
    reasoningTokens: outputTokens.reasoning ?? 0,
    estimated: inputTokens.total === undefined || outputTokens.total === undefined,
  };
}

/** Tokens of a prompt, by rule of thumb. */
export function estimatePrompt(prompt: LanguageModelV4Prompt): number {
  return estimateTokens(JSON.stringify(prompt).length);
}
