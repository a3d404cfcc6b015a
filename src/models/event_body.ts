import type { SdkEvents } from "./sdk_events.ts";
import { BodyReader } from "../domain/body_reader.ts";
import type { Turns } from "../domain/turns.ts";
import { EventBytes } from "../net/event_bytes.ts";
import { JsonShape } from "../net/json_shape.ts";
import { Trouble } from "../net/trouble.ts";

/** The most bytes of one answer, unpacked: those of some 400,000 tokens, each in an event of its own. */
const MAX_BODY = 128 * 1024 * 1024;

/** How many bytes are read in one turn. */
const TURN = 16 * 1024;

/** The most bytes that one read takes. */
const READ = 16 * 1024;

/** What is known of a body. */
export interface BodyOptions {
  /** Called for all that comes, whatever it means. */
  onBytes?: () => void;
  /** True if the response says that it is a stream of events. */
  isStream?: boolean;
}

/** The result of a read: the text of events. */
export type BodyRead = { done: false; value: string } | { done: true; value?: undefined };

const OVER: BodyRead = { done: true };

/** The events of a response. */
export class EventBody {
  readonly #reader: BodyReader;
  readonly #events: EventBytes;
  #total = 0;
  #inTurn = 0;
  #ended = false;
  #head = new Uint8Array();
  #kind: BodyKind | undefined;
  readonly #json = new JsonEvents();
  /** Thrown behind the events before it. */
  #failure: unknown;

  /** `values`: the most values that one event may have. */
  constructor(
    body: ReadableStream<Uint8Array>,
    private readonly turns: Turns,
    values: number,
    private readonly options: BodyOptions = {},
  ) {
    this.#reader = new BodyReader(body, READ);
    this.#events = new EventBytes(values);
  }

  /**
   * The next events, all of them whole but for what the body ends with. If `within` is given, the answer
   * is finished: the body ends if it breaks, or brings nothing in so many milliseconds.
   * @throws {Trouble} `oversized` if there is too much of anything.
   */
  async read(within?: number): Promise<BodyRead> {
    if (within === undefined) return await this.#next();
    let timer: ReturnType<typeof setTimeout>;
    const late = new Promise<BodyRead>((done) => timer = setTimeout(done, within, OVER));
    return await Promise.race([this.#next().catch(() => OVER), late])
      .finally(() => clearTimeout(timer));
  }

  async #next(): Promise<BodyRead> {
    for (;;) {
      const events = this.#events.take();
      if (events !== undefined) return { done: false, value: withoutPrototypes(events) };
      if (this.#ended) break;
      await this.#try();
    }
    if (this.#failure === undefined) return OVER;
    this.cancel(this.#failure).catch(() => {});
    throw this.#failure;
  }

  async #try(): Promise<void> {
    try {
      await this.#more();
    } catch (error) {
      this.#ended = true;
      this.#failure = error;
    }
  }

  async #more(): Promise<void> {
    const chunk = await this.#reader.read();
    this.#ended = chunk === undefined;
    if (chunk) {
      this.options.onBytes?.();
      await this.#count(chunk.length);
    }
    if (this.#kind === undefined) this.#look(chunk);
    else if (chunk) this.#push(chunk);
    if (!this.#ended) return;
    if (this.isWhole) this.#events.push(END);
    this.#events.end();
  }

  #push(bytes: Uint8Array): void {
    if (this.#kind === "stream") this.#events.push(bytes);
    else if (this.#kind === "text") this.#events.push(onOneLine(bytes));
    else for (const piece of this.#json.take(bytes)) this.#events.push(piece);
  }

  /** Sees by its first bytes what a body is; one that is no stream becomes events. */
  #look(chunk: Uint8Array = new Uint8Array()): void {
    const head = new Uint8Array([...this.#head, ...chunk]);
    const kind = kindOf(head, this.options.isStream);
    if (kind === undefined && !this.#ended) {
      this.#head = head;
      return;
    }
    this.#kind = kind ?? "stream";
    this.#head = new Uint8Array();
    if (kind === "text") this.#events.push(ERROR);
    this.#push(head);
  }

  /** True if the body is no stream, so that its end is the end of the answer. */
  get isWhole(): boolean {
    return this.#kind === "json" || this.#kind === "text";
  }

  cancel(reason: unknown): Promise<void> {
    return this.#reader.cancel(reason);
  }

  /**
   * The events of the whole body, if it is no stream; undefined if it is.
   * @throws what broke it.
   */
  async whole(): Promise<string | undefined> {
    while (this.#kind === undefined && !this.#ended) await this.#try();
    if (!this.isWhole) return undefined;
    let text = "";
    for (let read = await this.#next(); !read.done; read = await this.#next()) text += read.value;
    return text;
  }

  /** The body as a stream for the AI SDK, which ends where its answer does, or if a read fails. */
  stream(
    events: SdkEvents,
    onFailure: (error: unknown) => void,
  ): ReadableStream<Uint8Array<ArrayBuffer>> {
    return new ReadableStream({
      pull: async (controller) => {
        let isBroken = false;
        const { value } = events.isOver ? OVER : await this.read(events.left).catch((error) => {
          isBroken = true;
          onFailure(error);
          return OVER;
        });
        if (value !== undefined) return controller.enqueue(encoder.encode(events.take(value)));
        const missing = isBroken ? undefined : events.end();
        if (missing !== undefined) controller.enqueue(encoder.encode(missing));
        controller.close();
        await this.cancel(undefined);
      },
      cancel: (reason) => this.cancel(reason),
    }, { highWaterMark: 0 });
  }

  async #count(bytes: number): Promise<void> {
    this.#total += bytes;
    this.#inTurn += bytes;
    if (this.#total > MAX_BODY) {
      throw new Trouble("oversized", `sent more than ${MAX_BODY} bytes for one answer`);
    }
    if (this.#inTurn < TURN) return;
    this.#inTurn = 0;
    await this.turns.next();
  }
}

/** What a body is: events, or an answer that is no stream, or something else, such as a page. */
type BodyKind = "stream" | "json" | "text";

const encoder = new TextEncoder();

const [DATA, ERROR, END, SPACE] = ["data: ", "event: error\ndata: ", "\n\n", " "]
  .map((text) => encoder.encode(text)) as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];

/** How many bytes of a body are enough to see what it is. */
const HEAD = 64;

/** What a body is that begins so; undefined if more is needed to see it. */
function kindOf(head: Uint8Array, isStream = false): BodyKind | undefined {
  const text = decoder.decode(head.subarray(0, HEAD)).trimStart();
  if (/^[[{]/.test(text)) return "json";
  if (/^(data|event|id|retry)?:/.test(text) || (isStream && text !== "")) return "stream";
  // The name of another field, maybe, or too little to tell.
  return text.length < "event:".length && head.length < HEAD ? undefined : "text";
}

/** Makes events of JSON: of one value on any number of lines, or of one on each line. */
class JsonEvents {
  readonly #shape = new JsonShape({ depth: Infinity, values: Infinity });
  #isOpen = false;

  /** What more bytes add to the events. */
  *take(bytes: Uint8Array): Generator<Uint8Array> {
    for (let from = 0, at = 0; at <= bytes.length; at++) {
      if (at < bytes.length && !isLineEnd(bytes[at]!)) continue;
      if (from < at) yield* this.#value(bytes.subarray(from, at));
      if (at < bytes.length && this.#isOpen) yield this.#endLine();
      from = at + 1;
    }
  }

  *#value(bytes: Uint8Array): Generator<Uint8Array> {
    if (!this.#isOpen) yield DATA;
    this.#isOpen = true;
    this.#shape.scan(bytes);
    yield bytes;
  }

  #endLine(): Uint8Array {
    if (!this.#shape.isWhole) return SPACE;
    this.#shape.reset();
    this.#isOpen = false;
    return END;
  }
}

/** Line ends mean nothing in a text. */
function onOneLine(bytes: Uint8Array): Uint8Array {
  return bytes.map((byte) => isLineEnd(byte) ? 0x20 : byte);
}

function isLineEnd(byte: number): boolean {
  return byte === 0x0a || byte === 0x0d;
}

/** What keys look like that could be taken for a prototype; no encoder writes letters as escapes. */
const PROTOTYPE = /"(?:__proto__|constructor)"\s*:|\\u00[4-7]/i;

const decoder = new TextDecoder();

/** The AI SDK refuses a whole event for keys that could be taken for a prototype: they are left out. */
function withoutPrototypes(text: string): string {
  return PROTOTYPE.test(text) ? text.split("\n\n").map(harmlessEvent).join("\n\n") : text;
}

function harmlessEvent(event: string): string {
  if (!PROTOTYPE.test(event)) return event;
  const [data, others] = [[], []] as [string[], string[]];
  for (const line of event.split("\n")) {
    if (line.startsWith("data:")) data.push(line.slice(5));
    else others.push(line);
  }
  try {
    const json = JSON.stringify(JSON.parse(data.join("\n"), harmless));
    return [...others, `data: ${json}`].join("\n");
  } catch {
    return event;
  }
}

function harmless(key: string, value: unknown): unknown {
  const isPrototype = key === "__proto__" ||
    (key === "constructor" && typeof value === "object" && value !== null);
  return isPrototype ? undefined : value;
}
