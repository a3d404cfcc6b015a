import type { LanguageModelV4, LanguageModelV4StreamPart } from "@ai-sdk/provider";
import type { Clock } from "../domain/clock.ts";
import { demoScript } from "./demo_script.ts";

/**
 * The built-in model: offline, deterministic, and open about not being an AI. It implements the AI
 * SDK's model interface, so that it takes the same path as a real model. `paceMs`: milliseconds
 * between words.
 */
export function demoModel(clock: Clock, paceMs: number): LanguageModelV4 {
  return {
    specificationVersion: "v4",
    provider: "demo",
    modelId: "demo",
    supportedUrls: {},
    doGenerate() {
      throw new Error("the demo model only streams");
    },
    doStream({ prompt, tools = [], abortSignal, reasoning }) {
      const isThinking = reasoning !== undefined && reasoning !== "none";
      const parts = demoScript(prompt, isThinking, new Set(tools.map(({ name }) => name)));
      return Promise.resolve({ stream: paced(parts, clock, paceMs, abortSignal) });
    },
  };
}

/** Streams the parts, waiting before each delta. */
function paced(
  parts: LanguageModelV4StreamPart[],
  clock: Clock,
  paceMs: number,
  signal: AbortSignal | undefined,
): ReadableStream<LanguageModelV4StreamPart> {
  const queue = parts.values();
  return new ReadableStream({
    async pull(controller) {
      const { value, done } = queue.next();
      if (done) return controller.close();
      signal?.throwIfAborted();
      if (paceMs > 0 && value.type.endsWith("-delta")) await clock.sleep(paceMs, signal);
      controller.enqueue(value);
    },
  }, { highWaterMark: 0 });
}
