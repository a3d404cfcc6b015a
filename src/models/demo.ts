import type {
  LanguageModelV4,
  LanguageModelV4Prompt,
  LanguageModelV4StreamPart,
} from "@ai-sdk/provider";
import type { Clock } from "../domain/clock.ts";
import { demoScript } from "./demo_script.ts";

/** What the demo model needs. */
export interface DemoOptions {
  clock: Clock;
  /** Milliseconds between two words; 0 for as fast as it can. */
  paceMs: number;
}

/**
 * The built-in model: offline, deterministic, and honest that it is no AI. It speaks the AI SDK's
 * model interface, so that everything behind it is what a real model goes through.
 */
export function demoModel({ clock, paceMs }: DemoOptions): LanguageModelV4 {
  return {
    specificationVersion: "v4",
    provider: "demo",
    modelId: "demo",
    supportedUrls: {},
    doGenerate() {
      throw new Error("the demo model only streams");
    },
    doStream({ prompt, abortSignal, reasoning }) {
      const asked = lastUserText(prompt);
      const parts = demoScript(asked, {
        turn: prompt.filter(({ role }) => role === "user").length,
        thinking: reasoning !== undefined && reasoning !== "none",
        inputTokens: countWords(JSON.stringify(prompt)),
      });
      return Promise.resolve({ stream: paced(parts, clock, paceMs, abortSignal) });
    },
  };
}

/** Hands the parts out, waiting before each delta. */
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
      if (signal?.aborted) return controller.error(signal.reason);
      try {
        if (paceMs > 0 && value.type.endsWith("-delta")) await clock.sleep(paceMs, signal);
        controller.enqueue(value);
      } catch (error) {
        controller.error(error);
      }
    },
  }, { highWaterMark: 0 });
}

function lastUserText(prompt: LanguageModelV4Prompt): string {
  const user = prompt.findLast((message) => message.role === "user");
  return user?.content.map((part) => part.type === "text" ? part.text : "").join("") ?? "";
}

/** The demo model's tokens are words. */
function countWords(text: string): number {
  return text.match(/\S+/g)?.length ?? 0;
}
