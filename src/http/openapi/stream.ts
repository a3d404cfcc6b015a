import { z } from "zod";
import type { ZodOpenApiContentObject, ZodOpenApiResponseObject } from "zod-openapi";
import { success } from "./responses.ts";

/** Which of the two streams a client gets. */
export const NEGOTIATION =
  `The stream is AI SDK 4's data stream, or the UI message stream of AI SDK 5 and later. The latter \
is for a request with \`?protocol=ui\`; without \`protocol\`, for one whose headers have \
\`x-vercel-ai-ui-message-stream: v1\` or accept \`text/event-stream\``;

/** The data stream, described. */
export const DATA_STREAM =
  `The data stream has one part a line, a code and its JSON. A line that is empty keeps the \
connection open and is to be skipped.

- \`f\` begins a step, with the id that the answer's message has in the history.
- \`0\` is a piece of the text, \`g\` of the reasoning; \`j\` is the signature of a reasoning and \`i\` \
a redacted one.
- \`b\`, \`c\` and \`9\` are a tool call that begins, a piece of its arguments, and the whole of it; \
\`a\` is its result.
- \`h\` is a source, \`k\` a file.
- \`e\` ends a step, and \`d\`, once, the answer. \`3\` is an error, before a \`d\` with the finish \
reason \`error\`: whatever fails after the headers comes as a part of the stream.`;

/** The UI message stream, described. */
export const UI_STREAM =
  `The UI message stream is server-sent events. Each has an \`id\`, the number to resume behind, and \
a chunk in its \`data\`; the last is \`[DONE]\`. A line that begins with a colon is to be skipped.

- \`start\` holds the \`messageId\` that the answer has in the history; \`start-step\` and \
\`finish-step\` are around each request to the model.
- \`text-start\`, \`text-delta\` and \`text-end\` are a text, by its \`id\`; \`reasoning-start\`, \
\`reasoning-delta\` and \`reasoning-end\` a reasoning.
- \`tool-input-start\`, \`tool-input-delta\` and \`tool-input-available\` are a tool call, \
\`tool-output-available\` is its result; \`tool-input-error\` and \`tool-output-error\` are what \
failed of it. A call has \`dynamic\` unless the request declared its tool.
- \`source-url\`, \`source-document\` and \`file\` are what they are called.
- \`finish\` ends the answer, with its \`finishReason\` and, as \`messageMetadata\`, its \`totalUsage\` \
and \`model\`; \`abort\` ends one that was stopped, and \`error\` one that failed, each behind a \
\`message-metadata\` with the same.`;

const DATA_EXAMPLE = `f:{"messageId":"cc2668f2-b082-4967-a874-361a783dad81"}
0:"A mon"
0:"oid."
e:{"finishReason":"stop","usage":{"promptTokens":14,"completionTokens":4},"isContinued":false}
d:{"finishReason":"stop","usage":{"promptTokens":14,"completionTokens":4}}
`;

const UI_EXAMPLE = `id: 1
data: {"type":"start","messageId":"cc2668f2-b082-4967-a874-361a783dad81"}

id: 2
data: {"type":"start-step"}

id: 3
data: {"type":"text-start","id":"0"}

id: 4
data: {"type":"text-delta","id":"0","delta":"A monoid."}

id: 5
data: {"type":"text-end","id":"0"}

id: 6
data: {"type":"finish-step"}

id: 7
data: {"type":"finish","finishReason":"stop","messageMetadata":\
{"totalUsage":{"inputTokens":14,"outputTokens":4,"totalTokens":18},"model":"demo"}}

data: [DONE]

`;

/** A run in the data stream. */
export const dataStreamContent: ZodOpenApiContentObject = {
  "text/plain": { schema: z.string(), example: DATA_EXAMPLE },
};

/** The headers of the data stream, where an answer may be something else instead. */
export const dataStreamHeaders = {
  "Parley-Run-Id": z.uuid().optional().meta({
    description: "The id of the answer's making, with a stream.",
    header: { id: "RunId" },
  }),
  "X-Vercel-AI-Data-Stream": z.literal("v1").optional().meta({
    description: "With the data stream.",
    header: { id: "DataStream" },
  }),
};

const eventSchema = z.looseObject({
  id: z.string().regex(/^\d+$/).optional().meta({
    description: "The number of the event in the run.",
  }),
  data: z.string().meta({ description: "A chunk as JSON; `[DONE]` at the end." }),
}).meta({ id: "UiStreamEvent", description: "One of the server-sent events." });

/** A run, as it is made, in the protocol that the client speaks. */
export const answerStream: ZodOpenApiResponseObject = {
  id: "AnswerStream",
  ...success(
    "The answer, as it is made.",
    {
      ...dataStreamContent,
      // Before OpenAPI 3.2 the schema of such a stream is that of each event.
      "text/event-stream": { schema: eventSchema, example: UI_EXAMPLE },
    },
    {
      ...dataStreamHeaders,
      "X-Vercel-AI-UI-Message-Stream": z.literal("v1").optional().meta({
        description: "With the UI message stream.",
      }),
    },
  ),
};

/** The header by which AI SDK's clients can ask for the UI message stream, and for its messages. */
export const protocolParams = z.object({
  "X-Vercel-AI-UI-Message-Stream": z.string().optional().meta({
    description: "`v1` asks for the form of AI SDK 5 and later, unless `protocol` is given.",
    param: { id: "UiMessageStream" },
  }),
});
