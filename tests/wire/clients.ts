/** The AI SDK's own clients, over bytes that a test gives them. */
import { assert } from "@std/assert";
import * as ai7 from "ai";
import * as ai5 from "ai-5";
import { callChatApi, parseDataStreamPart } from "ai-sdk-4-ui-utils";
import type { RunEvent } from "../../src/domain/event.ts";
import type { Json } from "../../src/domain/json.ts";
import type { WireEncoder } from "../../src/wire/encoder.ts";

/** The newest and the oldest client of the UI message stream; the older one takes no unknown key. */
export const UI_CLIENTS = {
  "ai@7.0.173": ai7,
  "ai@5.0.93": ai5 as unknown as typeof ai7,
} as const;
export type UiClient = keyof typeof UI_CLIENTS;

/** What a client made of a stream. */
export interface Assembled {
  /** The message that it shows, as JSON. */
  message: Record<string, Json>;
  error: Error | undefined;
}

/** A run as a server sends it. */
export function encodeRun(events: readonly RunEvent[], encoder: WireEncoder): Uint8Array {
  const text = events.map((event, index) => encoder.encode({ seq: index + 1, event }, "run")).join(
    "",
  );
  return new TextEncoder().encode(text + encoder.end);
}

/** What AI SDK 5+'s `Chat` shows once it has read the stream, behind an answer that it extends. */
export async function assembleUi(
  client: UiClient,
  bytes: Uint8Array,
  before?: object,
): Promise<Assembled> {
  const { AbstractChat, DefaultChatTransport } = UI_CLIENTS[client];
  class TestChat extends AbstractChat<ai7.UIMessage> {}
  let finished: ai7.UIMessage | undefined;
  let error: Error | undefined;
  const messages = [{ id: "u", role: "user", parts: [] }, ...before ? [before] : []];
  const chat = new TestChat({
    state: stateOf(messages as ai7.UIMessage[]),
    transport: new DefaultChatTransport({ api: "http://p.example/", fetch: answerWith(bytes) }),
    onFinish: ({ message }) => finished = message,
    onError: (thrown) => error = thrown,
  });
  await chat.sendMessage();
  return { message: asJson(finished), error };
}

function stateOf(messages: ai7.UIMessage[]): ai7.ChatState<ai7.UIMessage> {
  return {
    status: "ready",
    error: undefined,
    messages,
    pushMessage: (message) => messages.push(message),
    popMessage: () => messages.pop(),
    replaceMessage: (index, message) => messages[index] = message,
    snapshot: (thing) => structuredClone(thing),
  };
}

/** What AI SDK 4's `useChat` shows once it has read the stream, behind an answer that it extends. */
export async function assembleV4(bytes: Uint8Array, before?: object): Promise<Assembled> {
  let message: unknown;
  const result = callChatApi({
    api: "http://p.example/",
    body: {},
    streamProtocol: "data",
    credentials: undefined,
    headers: undefined,
    abortController: undefined,
    restoreMessagesOnFailure: () => {},
    onResponse: undefined,
    onUpdate: (update) => message = update.message,
    onFinish: (finished) => message = finished,
    onToolCall: undefined,
    generateId: () => "generated",
    fetch: answerWith(bytes),
    lastMessage: structuredClone(before) as Parameters<typeof callChatApi>[0]["lastMessage"],
  });
  const error = await result.then(() => undefined, (thrown: Error) => thrown);
  return { message: asJson(message), error };
}

/** A `fetch` that answers with the bytes, in pieces as a network makes them. */
function answerWith(bytes: Uint8Array): typeof fetch {
  return () => {
    const size = 1 + bytes.length % 97;
    const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start(controller) {
        for (let at = 0; at < bytes.length; at += size) {
          controller.enqueue(new Uint8Array(bytes.slice(at, at + size)));
        }
        controller.close();
      },
    });
    return Promise.resolve(new Response(stream));
  };
}

function asJson(value: unknown): Record<string, Json> {
  return JSON.parse(JSON.stringify(value ?? {}));
}

/** The chunks of a UI stream that the client's schema refuses, as text. */
export async function refusedChunks(client: UiClient, bytes: Uint8Array): Promise<string[]> {
  const { asSchema, uiMessageChunkSchema } = UI_CLIENTS[client];
  const schema = asSchema(uiMessageChunkSchema);
  const frames = new TextDecoder().decode(bytes).split("\n\n").filter((frame) => frame !== "");
  const refused: string[] = [];
  for (const frame of frames) {
    const data = frame.slice(frame.indexOf("data: ") + "data: ".length);
    if (data === "[DONE]") continue;
    const result = await schema.validate!(JSON.parse(data));
    if (!result.success) refused.push(data);
  }
  return refused;
}

/** The lines of a data stream that AI SDK 4's parser refuses. */
export function refusedLines(bytes: Uint8Array): string[] {
  const text = new TextDecoder().decode(bytes);
  assert(text.endsWith("\n"));
  return text.slice(0, -1).split("\n").filter((line) => {
    try {
      parseDataStreamPart(line);
      return false;
    } catch {
      return true;
    }
  });
}

/** What the client's own validation says of a message; undefined where it takes it. */
export async function invalidUi(client: UiClient, message: unknown): Promise<string | undefined> {
  const result = await UI_CLIENTS[client].safeValidateUIMessages({ messages: [message] });
  return result.success ? undefined : result.error.message;
}
