import type { JSONSchema7, LanguageModelV4FunctionTool } from "@ai-sdk/provider";
import type { Clock } from "../domain/clock.ts";
import { RunError } from "../domain/errors.ts";
import type { RefusedUrls } from "../domain/policies.ts";
import type { OutputFormat, ToolDefinition } from "../domain/tool.ts";
import type { Mask } from "../observe/mask.ts";
import { cachingOptions } from "./caching.ts";
import { problemOf, providerFailure } from "./failure.ts";
import { attach } from "./files.ts";
import { fitPrompt } from "./fit.ts";
import type { ProviderHealth } from "./health.ts";
import type { SharedLines } from "./open_requests.ts";
import { withoutRefusedUrls } from "./prompt_urls.ts";
import type { Emit, Step, StepOutcome } from "./step.ts";
import { StepAnswer } from "./step_answer.ts";
import { StallWatch } from "./stall.ts";
import { thinkingOptions } from "./thinking.ts";

/** Asks models: the only place that calls the AI SDK. */
export interface ModelCall {
  /**
   * Streams one step: calls `emit` for each part as it arrives, without `step-start` and
   * `step-finish`. If `emit` returns a promise, reading pauses until it resolves. Aborting `signal`
   * closes the provider's connection.
   * @throws {RunError} typed and masked; or the signal's reason once it is aborted.
   */
  stream(step: Step, signal: AbortSignal, emit: Emit): Promise<StepOutcome>;
}

/** What a model call needs. */
export interface ModelCallOptions extends SharedLines {
  clock: Clock;
  mask: Mask;
  /** Is told how requests ended. */
  health: ProviderHealth;
  /** URLs of files that no provider is asked to fetch. */
  refusedUrls: RefusedUrls;
  /** How long a provider may send nothing, in milliseconds. */
  stallMs: number;
}

/** Asks models directly: the AI SDK's `streamText` costs 30 µs a part. */
export function modelCall(
  { clock, mask, turns, requests, health, refusedUrls, stallMs }: ModelCallOptions,
): ModelCall {
  return {
    async stream(step, signal, emit) {
      const { provider } = step.model;
      const watch = new StallWatch(clock, stallMs, provider, signal);
      requests.watch(watch.signal, () => watch.touch());
      try {
        if (step.files) attach(watch.signal, step.files);
        const model = await step.model.client();
        const answer = new StepAnswer(step, turns, emit);
        const request = {
          prompt: fitPrompt(withoutRefusedUrls(step.prompt, refusedUrls), step.model.type),
          ...(step.maxOutputTokens !== undefined && { maxOutputTokens: step.maxOutputTokens }),
          ...(!step.isUncached && cachingOptions(step.model.type)),
          ...(step.thinking && thinkingOptions(step.model.type)),
          ...(step.tools && { tools: step.tools.map(functionTool) }),
          ...(step.output && { responseFormat: jsonFormat(step.output) }),
        };
        await model.stream(request, watch.signal, (part) => {
          watch.touch();
          return answer.take(part);
        });
        const outcome = answer.outcome();
        health.report(provider, "answer");
        return outcome;
      } catch (thrown) {
        const error = requests.reasonOf(watch.signal) ?? thrown;
        if (signal.aborted) throw signal.reason;
        const failure = watch.failure?.failure ?? providerFailure(error, provider, mask);
        health.report(provider, "answer", problemOf(failure, error));
        const usage = error instanceof RunError ? error.usage : undefined;
        throw new RunError(failure, { cause: error, ...(usage && { usage }) });
      } finally {
        // A provider that answered badly may have left its connection open.
        watch.close();
      }
    },
  };
}

function functionTool({ name, description, schema }: ToolDefinition): LanguageModelV4FunctionTool {
  const described = description !== undefined && { description };
  return { type: "function", name, ...described, inputSchema: schema as JSONSchema7 };
}

function jsonFormat({ name, schema }: OutputFormat) {
  const named = name !== undefined && { name };
  return { type: "json" as const, schema: schema as JSONSchema7, ...named };
}
