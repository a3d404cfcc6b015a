/** Random answers for the scripted provider. */
import type { ContentStep, Step } from "../kit/provider/provider.ts";
import { MODELS } from "../kit/scripted.ts";
import type { Random } from "../kit/random.ts";

/** One of the scripted provider's models. */
export type Model = typeof MODELS[keyof typeof MODELS];

/** All of them. */
export const ALL_MODELS: readonly Model[] = Object.values(MODELS);

type Kind = "text" | "reasoning" | "signature" | "redacted" | "tool" | "source" | "file";

/** What each model can say; text is what it says most. */
const KINDS: Record<Model, readonly Kind[]> = {
  scripted: ["text", "text", "reasoning", "tool"],
  claude: ["text", "text", "reasoning", "signature", "redacted", "tool", "source"],
  gemini: ["text", "text", "reasoning", "tool", "file"],
};

/** Whatever an encoding could stumble over, and pieces that are no more than a character. */
const WORDS = ["word ", "é", "日本語", "😀", '"', "\\", "\n", "\u2028", "</a>", " ", "0:"];

/** `count` steps of content, each numbered so that a lost or doubled one shows. */
export function randomContent(random: Random, model: Model, count: number): ContentStep[] {
  const steps: ContentStep[] = [];
  let kind: Kind = "text";
  for (let number = 0; number < count; number++) {
    // A model stays with what it does, so that blocks have more than one delta.
    if (random.chance(0.3)) kind = random.pick(KINDS[model]);
    const last = steps.at(-1);
    // A signature closes a block of reasoning: without one there is nothing to sign.
    if (kind === "signature" && !(last && "reasoning" in last)) kind = "reasoning";
    steps.push(contentOf(kind, `${number}${random.pick(WORDS)}`, random));
    if (kind === "signature" || kind === "file" || kind === "source") kind = "text";
  }
  // Thoughts alone are a failed answer.
  if (!steps.some((step) => "text" in step)) steps.push(contentOf("text", "said", random));
  return steps;
}

function contentOf(kind: Kind, piece: string, random: Random): ContentStep {
  switch (kind) {
    case "text":
      return { text: piece };
    case "reasoning":
      return { reasoning: piece };
    case "signature":
      return { reasoningSignature: `sig-${random.below(1e9)}` };
    case "redacted":
      return { redactedReasoning: `redacted-${random.below(1e9)}` };
    case "tool": {
      const id = `call-${random.below(1e9)}`;
      const chunks = random.between(1, 12);
      return { toolCall: { id, name: "look_up", args: { what: piece.repeat(9) }, chunks } };
    }
    case "source":
      return { source: { url: `https://example.com/${random.below(1e9)}`, title: piece } };
    case "file":
      return { file: { mediaType: "text/plain", data: btoa(String(random.next())) } };
  }
}

/** The steps with up to `paceMs` milliseconds before each. */
export function paced(random: Random, steps: readonly Step[], paceMs: number): Step[] {
  return steps.flatMap((step) => [{ delay: random.next() * paceMs }, step]);
}
