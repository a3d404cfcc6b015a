/** A run as a response, and its documentation. */
import { z } from "zod";
import type { RunEvent } from "../domain/event.ts";
import { NO_USAGE } from "../domain/usage.ts";
import type { RunStream } from "../runs/run_stream.ts";
import { dataStream } from "../wire/data_stream.ts";
import type { WireEncoder } from "../wire/encoder.ts";
import { PROTOCOLS } from "../wire/negotiate.ts";
import { uiMessageStream } from "../wire/ui_message_stream.ts";
import type { HttpParts, RequestContext } from "./context.ts";
import { answer, component, content, header } from "./describe.ts";
import { enterStream, paceOf } from "./pace.ts";
import { runStream, STREAM_HEADERS } from "./stream.ts";

/** A run for a client, and its form. */
export interface Answering {
  run: RunStream;
  encoder: WireEncoder;
  /** The event after which the response begins; by default, it begins with the first. */
  after?: number;
  /** Sent before the events. */
  first?: string;
}

/**
 * Streams the run that `find` brings; answers 204 if it brings none.
 * @throws {AppError} `too_many_requests` if the user has too many open streams.
 */
export async function streamRun(
  c: RequestContext,
  parts: HttpParts,
  find: () => Promise<Answering | undefined>,
): Promise<Response> {
  const onClose = enterStream(c, parts);
  try {
    const found = await find();
    if (!found) {
      onClose();
      return c.body(null, 204);
    }
    const { run, encoder, after = 0, first } = found;
    const options = { ...paceOf(c, parts, onClose), encoder, after, first, turns: parts.turns };
    return new Response(runStream(run, options), {
      headers: { ...encoder.headers, ...STREAM_HEADERS, "parley-run-id": run.identity.id },
    });
  } catch (error) {
    onClose();
    throw error;
  }
}

/** `?protocol=` of a request that is answered with a run or with messages. */
export const protocolSchema = z.enum(PROTOCOLS).optional().meta({
  description:
    "The form of the answer: `data` for AI SDK 4, `ui` for 5 and later. By default, the " +
    "request's headers decide.",
});

/** The rules by which a client chooses the protocol. */
export const NEGOTIATION =
  `The stream is AI SDK 4's data stream, or the UI message stream of AI SDK 5 and later. A client \
gets the latter with \`?protocol=ui\`, or, without \`protocol\`, with the header \
\`x-vercel-ai-ui-message-stream: v1\` or an \`accept\` of \`text/event-stream\``;

/** The run of the documentation's examples. */
export const RUN_EXAMPLE = "3b66fb66-86ac-47c6-95aa-9ae31d233603";

const messageId = "cc2668f2-b082-4967-a874-361a783dad81";
const usage = { ...NO_USAGE, inputTokens: 14, outputTokens: 4 };

/** The run of the documentation's examples, which the encoders encode. */
const EXAMPLE: RunEvent[] = [
  { type: "start", messageId, model: "demo" },
  { type: "step-start", messageId },
  { type: "text-start", id: "0" },
  { type: "text-delta", id: "0", text: "A mon" },
  { type: "text-delta", id: "0", text: "oid." },
  { type: "text-end", id: "0" },
  { type: "step-finish", finishReason: "stop", usage },
  { type: "finish", state: "completed", finishReason: "stop", usage, model: "demo" },
];

function exampleOf({ encode, end }: WireEncoder): string {
  return EXAMPLE.map((event, index) => encode({ seq: index + 1, event }, RUN_EXAMPLE)).join("") +
    end;
}

/** A run in the data stream. */
export const dataStreamContent = content("text/plain", z.string, exampleOf(dataStream));

/** The headers of the data stream, which no other answer has. */
export const dataStreamHeaders = {
  "Parley-Run-Id": component("headers", "RunId"),
  "X-Vercel-AI-Data-Stream": component("headers", "DataStream"),
};

const eventSchema = () =>
  z.looseObject({
    id: z.string().regex(/^[0-9a-f-]{36}:\d+$/).optional().meta({
      description: "The run, and the number of the event in it: the position to resume from.",
    }),
    data: z.string().meta({ description: "A chunk as JSON; `[DONE]` at the end." }),
  }).meta({ id: "UiStreamEvent", description: "One server-sent event." });

/** The stream of a run, in the protocol of the client. */
export const answerStream = answer("The answer, streamed.", {
  ...dataStreamContent,
  // Before OpenAPI 3.2, the schema of an event stream describes one event.
  ...content("text/event-stream", eventSchema, exampleOf(uiMessageStream)),
}, {
  ...dataStreamHeaders,
  "X-Vercel-AI-UI-Message-Stream": header("With the UI message stream.", {
    required: false,
    schema: { type: "string", const: "v1" },
  }),
});
