import { APICallError } from "@ai-sdk/provider";
import type { Json } from "../../domain/json.ts";
import { othersHadTheirTurn } from "../../domain/loop.ts";
import { Pauses } from "../../domain/pauses.ts";
import type { ModelClient, ModelRequest, TakePart } from "../client.ts";
import type { EventBody } from "../event_body.ts";
import type { ProviderHttp } from "../provider_http.ts";
import { ErrorAnswer } from "../whole_answer.ts";
import { ChatAnswer } from "./answer.ts";
import { EventReader } from "./events.ts";
import { messagesOf, settingsOf } from "./request.ts";

/** A server of chat completions. */
interface ChatServer {
  apiKey: string;
  baseUrl: string;
  /** Where it is asked if there is nothing at `baseUrl`. */
  otherUrl?: string | undefined;
}

/**
 * A model behind OpenAI's chat completions, as llama.cpp, Ollama, vLLM, LM Studio and most gateways
 * speak them. The AI SDK's own package is strict where these are not, and costs two streams of objects
 * for each answer.
 */
export function chatClient(
  { apiKey, baseUrl, otherUrl }: ChatServer,
  model: string,
  http: Pick<ProviderHttp, "ask">,
): ModelClient {
  let addresses = otherUrl === undefined ? [baseUrl] : [baseUrl, otherUrl];
  const headers = {
    "content-type": "application/json",
    accept: "text/event-stream",
    ...(apiKey !== "" && { authorization: `Bearer ${apiKey}` }),
  };
  return {
    async stream(request, signal, take) {
      const body = await bodyOf(model, request);
      let refused: APICallError | undefined;
      for (const address of addresses) {
        const url = `${address}/chat/completions`;
        const { response, body: events } = await http.ask(url, {
          method: "POST",
          headers,
          body,
          signal,
        });
        if (events) {
          addresses = [address];
          return await readAnswer(events, take);
        }
        const answered = await refusal(url, response);
        const isNowhere = response.status === 404 || response.status === 405;
        // The server may be here, and not have the model.
        if (!refused || !isNowhere || /model/i.test(answered.responseBody ?? "")) {
          refused = answered;
        }
        if (!isNowhere) break;
      }
      throw refused;
    },
  };
}

/** How much is written before everybody else has a turn, in characters. */
const TURN = 1024 * 1024;

/** Written message by message, with turns in between: a long history takes long to write. */
async function bodyOf(model: string, request: ModelRequest): Promise<string> {
  const settings = JSON.stringify(settingsOf(model, request));
  const messages: string[] = [];
  let written = 0;
  for (const message of messagesOf(request.prompt)) {
    const text = JSON.stringify(message);
    messages.push(text);
    written += text.length;
    if (written < TURN) continue;
    written = 0;
    await othersHadTheirTurn();
  }
  return `${settings.slice(0, -1)},"messages":[${messages.join(",")}]}`;
}

/** The provider's refusal, with what it says of the reason. */
async function refusal(url: string, response: Response): Promise<APICallError> {
  const body = await response.text();
  return new APICallError({
    message: response.statusText,
    url,
    requestBodyValues: undefined,
    statusCode: response.status,
    responseHeaders: Object.fromEntries(response.headers),
    responseBody: body,
  });
}

/**
 * Reads the parts of an answer, to the end that the dialect names, whatever the connection does then.
 * @throws what broke the connection before that.
 */
export async function readAnswer(
  events: Pick<EventBody, "read" | "cancel" | "isWhole">,
  take: TakePart,
  newId: () => string = () => `call_${crypto.randomUUID()}`,
): Promise<void> {
  let wait: Promise<void> | undefined;
  const answer = new ChatAnswer((part) => {
    if (part.type === "error" && events.isWhole) throw new ErrorAnswer(part.error as Json);
    wait = take(part) || wait;
  }, newId);
  const reader = new EventReader();
  const pauses = new Pauses();
  let [isDone, count] = [false, 0];
  try {
    while (!isDone) {
      const read = await events.read(answer.left);
      if (read.done) break;
      for (const event of reader.eventsIn(read.value)) {
        isDone ||= answer.take(event);
        // A provider may send a million events of nothing at once.
        if (++count % 64 === 0) await pauses.next();
        if (wait) await wait;
        wait = undefined;
      }
    }
    answer.end(isDone || events.isWhole);
    if (wait) await wait;
  } finally {
    events.cancel(undefined).catch(() => {});
  }
}
