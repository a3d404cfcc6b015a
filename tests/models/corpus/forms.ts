/** Recorded streams in all their forms, and what is told of them. */
import { assertEquals, assertMatch } from "@std/assert";
import type { LanguageModelV4StreamPart } from "@ai-sdk/provider";
import { sampleOf } from "../../kit/random.ts";
import type { Recorded } from "./chat.ts";

/** Line ends, what separates events, and what comes in between. */
export const FORMS: Record<string, [line: string, between: string]> = {
  "LF": ["\n", "\n"],
  "CRLF": ["\r\n", "\r\n"],
  "CR": ["\r", "\r"],
  "without empty lines": ["\n", ""],
  "with comments": ["\n", "\n: alive\n\n"],
};

/** The bytes of a stream in each form, cut in two at every `every`th place, and where that is. */
export function* cutEverywhere(
  recorded: Recorded,
  every: number,
): Generator<[pieces: Uint8Array[], where: string]> {
  for (const [form, [line, between]] of Object.entries(FORMS)) {
    const bytes = new TextEncoder().encode(bodyOf(recorded, line, between));
    const cuts = Array.from({ length: bytes.length + 1 }, (_, at) => at);
    for (const cut of [0, ...sampleOf(cuts, form === "LF" ? every : every * 5)]) {
      yield [[bytes.slice(0, cut), bytes.slice(cut)], `${form}, cut at ${cut}`];
    }
  }
}

/** A stream as text. */
export function bodyOf({ events }: Recorded, line: string, between: string): string {
  return events.map((event) => {
    if (event.startsWith(":") || event.startsWith("event:")) return `${event}${line}`;
    return `data: ${event}${line}${between.replaceAll("\n", line)}`;
  }).join("");
}

/** A body of these pieces that ends, fails, or stays open. */
export function streamOf(
  pieces: readonly Uint8Array[],
  end: Error | "open" | "closed" = "closed",
): ReadableStream<Uint8Array<ArrayBuffer>> {
  const queue = pieces.values();
  return new ReadableStream({
    async pull(controller) {
      const { value, done } = queue.next();
      if (!done) controller.enqueue(value.slice());
      else if (end === "open") await new Promise(() => {});
      else if (end === "closed") controller.close();
      else controller.error(end);
    },
  });
}

/** Fails unless those parts tell what the stream says. */
export function check(parts: LanguageModelV4StreamPart[], recorded: Recorded, where: string): void {
  const texts = (type: "text-delta" | "reasoning-delta") =>
    parts.map((part) => part.type === type ? part.delta : "").join("");
  const finish = parts.find((part) => part.type === "finish");
  const tokens = finish && [finish.usage.inputTokens.total, finish.usage.outputTokens.total];
  assertEquals({
    text: texts("text-delta"),
    reasoning: texts("reasoning-delta"),
    calls: parts.flatMap((part) =>
      part.type === "tool-call" ? [[part.toolName, JSON.parse(part.input)]] : []
    ),
    sources: parts.flatMap((part) =>
      part.type === "source" && part.sourceType === "url" ? [part.url] : []
    ),
    files: parts.flatMap((part) =>
      part.type === "file" && part.data.type === "data"
        ? [`${part.mediaType} ${part.data.data}`]
        : []
    ),
    finish: finish?.finishReason.unified ?? "none",
    tokens: tokens?.[0] === undefined ? undefined : tokens,
  }, {
    text: recorded.text ?? "",
    reasoning: recorded.reasoning ?? "",
    calls: recorded.calls ?? [],
    sources: recorded.sources ?? [],
    files: recorded.files ?? [],
    finish: recorded.finish,
    tokens: recorded.tokens,
  }, where);
  const error = parts.find((part) => part.type === "error");
  assertEquals(error !== undefined, recorded.error !== undefined, where);
  if (error && recorded.error) assertMatch(JSON.stringify(error.error), recorded.error, where);
}
