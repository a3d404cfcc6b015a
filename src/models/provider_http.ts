import {
  type AttachedFiles,
  type KeptFiles,
  lengthWithAttached,
  type SizedFile,
  withAttached,
} from "../domain/attached.ts";
import type { ProviderType } from "../domain/provider.ts";
import { ask, type QuestionBody } from "../net/ask.ts";
import { readStart } from "../net/read.ts";
import { unreachable } from "../net/trouble.ts";
import type { Turns } from "../domain/turns.ts";
import type { SharedLines } from "./open_requests.ts";
import { EventBody } from "./event_body.ts";
import { SdkEvents } from "./sdk_events.ts";
import { streamOfWhole } from "./whole_answer.ts";
import { attachedTo } from "./files.ts";

/** How much of an error is read, in bytes, and for how long, in milliseconds. */
const MAX_ERROR = 64 * 1024;
const ERROR_PATIENCE = 5_000;

/** The most values of one event; and in the Responses API, whose events repeat the request's tools. */
const MAX_VALUES = 8_000;
const MAX_VALUES_WITH_ECHO = 50_000;

/** Statuses of responses that have no body. */
const EMPTY = [204, 205, 304];

/** A provider's answer to a request. */
export interface ProviderAnswer {
  /** Whole if it is an error. */
  response: Response;
  /** The events of an answer that is none. */
  body?: EventBody;
}

/** The requests to one provider: bounded in everything that a provider decides. */
export class ProviderHttp {
  readonly #values: number;

  constructor(private readonly type: ProviderType, private readonly shared: SharedLines) {
    this.#values = type === "openai" ? MAX_VALUES_WITH_ECHO : MAX_VALUES;
  }

  /** @throws {Trouble} if there is no answer; or the signal's reason. */
  async ask(input: RequestInfo | URL, init: RequestInit = {}): Promise<ProviderAnswer> {
    const { method, headers, body, signal } = init;
    const response = await ask(input instanceof Request ? input.url : input, {
      ...(method && { method }),
      ...(signal && { signal }),
      headers,
      ...(typeof body === "string" && { body: await this.#bodyOf(body, attachedTo(signal)) }),
    });
    // The signal stops working once the response is collected, and the SDK keeps only its body.
    signal?.addEventListener("abort", () => void response);
    const { ok, status, statusText, body: bytes } = response;
    if (ok && bytes) {
      const isStream = /event-stream/i.test(response.headers.get("content-type") ?? "");
      const onBytes = () => this.shared.requests.heard(signal);
      const options = { isStream, onBytes };
      return { response, body: new EventBody(bytes, this.shared.turns, this.#values, options) };
    }
    const patience = AbortSignal.timeout(ERROR_PATIENCE);
    const text = bytes && await readStart(bytes, MAX_ERROR, patience).catch((error) => {
      throw signal?.aborted ? signal.reason : unreachable(error);
    });
    const whole = EMPTY.includes(status) ? null : text;
    return {
      response: new Response(whole, {
        status: Math.min(status, 599),
        statusText,
        headers: response.headers,
      }),
    };
  }

  async #bodyOf(text: string, files: AttachedFiles<SizedFile>): Promise<QuestionBody> {
    const kept: KeptFiles = new Map();
    const length = await lengthWithAttached(text, files, kept);
    const pieces = () => withAttached(text, files, kept);
    return {
      length,
      // Many requests with files at once would let nobody else have a turn.
      pieces: files.size > 0 ? () => taking(this.shared.turns, pieces()) : pieces,
    };
  }

  /** The same as a `fetch` for the AI SDK, which reads streams alone. @throws {ErrorAnswer} */
  readonly fetch: typeof fetch = async (input, init) => {
    const { response, body } = await this.ask(input, init);
    if (!body) return response;
    const whole = await body.whole();
    if (whole !== undefined) return new Response(streamOfWhole(this.type, whole));
    const onFailure = (error: unknown) => this.shared.requests.broke(init?.signal, error);
    return new Response(body.stream(new SdkEvents(this.type), onFailure), response);
  };
}

async function* taking(
  turns: Turns,
  pieces: AsyncGenerator<Uint8Array<ArrayBuffer>>,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for await (const piece of pieces) {
    yield piece;
    await turns.next();
  }
}
