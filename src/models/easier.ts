import type { LanguageModelV4Prompt } from "@ai-sdk/provider";
import type { RunError } from "../domain/errors.ts";
import { Trouble } from "../net/trouble.ts";
import { isToldToCache } from "./caching.ts";
import type { Step } from "./step.ts";

/**
 * What to ask for instead of a step that a provider refuses: the same without what its model may not be
 * able to do. Undefined if there is nothing of that kind.
 */
export function easierStep(step: Step, { failure, cause }: RunError): Step | undefined {
  // A redirect, say, is no refusal of what was asked.
  if (failure.class !== "provider_refused" || cause instanceof Trouble) return undefined;
  // A model that cannot reason just answers.
  if (step.thinking) return { ...step, thinking: false };
  // Some gateways do not know of it, and say so.
  if (!step.isUncached && isToldToCache(step.model.type) && /cache/i.test(failure.message)) {
    return { ...step, isUncached: true };
  }
  // What the model cannot read, or is too long, fails its own message, and not all that follow.
  if (!step.isAboutFiles && step.prompt.some(hasFile)) {
    return { ...step, prompt: withoutFiles(step.prompt) };
  }
  const prompt = step.prompt.filter(isAnswered);
  return prompt.length < step.prompt.length ? { ...step, prompt } : undefined;
}

/** False for a message that another one follows before any answer. */
function isAnswered(
  { role }: LanguageModelV4Prompt[number],
  index: number,
  prompt: LanguageModelV4Prompt,
): boolean {
  return role !== "user" || prompt[index + 1]?.role !== "user";
}

function hasFile({ role, content }: LanguageModelV4Prompt[number]): boolean {
  return role === "user" && content.some(({ type }) => type === "file");
}

function withoutFiles(prompt: LanguageModelV4Prompt): LanguageModelV4Prompt {
  return prompt.map((message) => {
    if (message.role !== "user") return message;
    const content = message.content.map((part) =>
      part.type === "text"
        ? part
        : { type: "text" as const, text: `[A file of type ${part.mediaType} was here.]` }
    );
    return { ...message, content };
  });
}
