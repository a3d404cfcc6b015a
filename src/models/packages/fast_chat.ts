import type { LanguageModelV4, LanguageModelV4StreamPart } from "@ai-sdk/provider";
import { providerFetch } from "../fetch.ts";
import { BodyReader } from "./body_reader.ts";
import { plainDelta, ServerSentEvents } from "./plain_delta.ts";

/** Makes the AI SDK's model with the `fetch` that it is to use. */
type ModelWith = (doFetch: typeof fetch) => LanguageModelV4;

/**
 * The AI SDK's chat completions, with a shorter way for what makes up nearly all of a stream: plain
 * deltas of text or reasoning are decoded here, for a fifth of the cost. From the first event that is
 * anything else, be it a tool call, an end, an error or nonsense, the SDK reads the rest. It makes the
 * request and judges the response in any case, so the parts are the same as without this.
 */
export function fastChat(modelWith: ModelWith): LanguageModelV4 {
  const model = modelWith(providerFetch);
  // Making a model of the SDK takes as long as asking it, so those that nobody asks are kept.
  const idle: Detoured[] = [];
  return {
    specificationVersion: "v4",
    provider: model.provider,
    modelId: model.modelId,
    supportedUrls: model.supportedUrls,
    doGenerate: (options) => model.doGenerate(options),
    async doStream(options) {
      const detoured = idle.pop() ?? new Detoured(modelWith);
      const detour = detoured.detour = new Detour();
      try {
        const result = await detoured.model.doStream(options);
        return detour.body
          ? { ...result, stream: merge(detour.body, detour, result.stream) }
          : result;
      } finally {
        idle.push(detoured);
      }
    },
  };
}

/** A model whose one request, while it is asked, makes the detour that was set. */
class Detoured {
  readonly model: LanguageModelV4;
  detour!: Detour;

  constructor(modelWith: ModelWith) {
    this.model = modelWith((input, init) => this.detour.fetch(input, init));
  }
}

/** Keeps a response's body and gives the SDK another in its place, to be filled as needed. */
class Detour {
  /** The provider's body; undefined where its response is no stream of events. */
  body: ReadableStream<Uint8Array> | undefined;
  #writer: WritableStreamDefaultWriter<Uint8Array> | undefined;

  readonly fetch: typeof fetch = async (input, init) => {
    const response = await providerFetch(input, init);
    if (!response.ok || !response.body) return response;
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    this.body = response.body;
    this.#writer = writable.getWriter();
    return new Response(readable as ReadableStream<Uint8Array<ArrayBuffer>>, response);
  };

  /** Sends the SDK bytes; resolves once it has taken them. */
  async write(bytes: Uint8Array): Promise<void> {
    await this.#writer?.write(bytes);
  }

  async close(): Promise<void> {
    await this.#writer?.close();
  }

  abort(reason: unknown): void {
    this.#writer?.abort(reason).catch(() => {});
  }
}

type Parts = ReadableStream<LanguageModelV4StreamPart>;

function merge(body: ReadableStream<Uint8Array>, detour: Detour, rest: Parts): Parts {
  const source = new BodyReader(body);
  const tail = rest.getReader();
  const fast = new FastLane();
  let handed = false;
  return new ReadableStream<LanguageModelV4StreamPart>({
    async pull(controller) {
      while (!handed) {
        const { value, done } = await source.read();
        const { parts, left } = value ? fast.take(value) : fast.end();
        for (const part of parts) controller.enqueue(part);
        if (left !== undefined) {
          handed = true;
          handOver(left, done, source, detour);
        }
        if (parts.length > 0) return;
      }
      for (;;) {
        const { value, done } = await tail.read();
        if (done) return controller.close();
        if (fast.isRepeated(value)) continue;
        return controller.enqueue(value);
      }
    },
    async cancel(reason) {
      detour.abort(reason);
      await Promise.allSettled([source.cancel(reason), tail.cancel(reason)]);
    },
  }, { highWaterMark: 0 });
}

/** Lets the SDK read what is left of the body. */
async function handOver(
  left: string,
  done: boolean,
  source: BodyReader,
  detour: Detour,
): Promise<void> {
  try {
    await detour.write(new TextEncoder().encode(left));
    while (!done) {
      const read = await source.read();
      if (read.done) break;
      await detour.write(read.value.slice());
    }
    await detour.close();
  } catch (error) {
    detour.abort(error);
  }
}

/** Decodes plain deltas, and remembers what the SDK has to know to go on behind them. */
class FastLane {
  readonly #events = new ServerSentEvents();
  /** The block that is open, and the last event that added to it. */
  #open: { kind: "text" | "reasoning"; event: string } | undefined;
  /** True while the SDK makes the parts of that event once more. */
  #repeating = false;

  /** The parts of some bytes; `left` is what the SDK must read, from the first event on that is not plain. */
  take(bytes: Uint8Array): { parts: LanguageModelV4StreamPart[]; left: string | undefined } {
    const parts: LanguageModelV4StreamPart[] = [];
    this.#events.push(bytes);
    for (let event = this.#events.next(); event !== undefined; event = this.#events.next()) {
      const delta = plainDelta(event);
      if (!delta) return { parts, left: this.#handOver(event) };
      if (delta === "empty") continue;
      this.#add(delta.kind, delta.text, event, parts);
    }
    return { parts, left: undefined };
  }

  /** The body ended among plain deltas: what that means is the SDK's to say. */
  end(): { parts: LanguageModelV4StreamPart[]; left: string } {
    return { parts: [], left: this.#handOver("") };
  }

  /** True for a part that was given already, and that the SDK makes again to know where it stands. */
  isRepeated(part: LanguageModelV4StreamPart): boolean {
    if (!this.#repeating) return false;
    if (part.type === "text-delta" || part.type === "reasoning-delta") this.#repeating = false;
    return part.type !== "error";
  }

  #add(
    kind: "text" | "reasoning",
    text: string,
    event: string,
    parts: LanguageModelV4StreamPart[],
  ): void {
    const id = kind === "text" ? "txt-0" : "reasoning-0";
    if (this.#open?.kind !== kind) {
      if (this.#open?.kind === "text") parts.push({ type: "text-end", id: "txt-0" });
      if (this.#open?.kind === "reasoning") {
        parts.push({ type: "reasoning-end", id: "reasoning-0" });
      }
      parts.push({ type: `${kind}-start`, id });
    }
    this.#open = { kind, event };
    parts.push({ type: `${kind}-delta`, id, delta: text });
  }

  #handOver(event: string): string {
    if (!this.#open) return event + this.#events.rest();
    this.#repeating = true;
    return this.#open.event + event + this.#events.rest();
  }
}
