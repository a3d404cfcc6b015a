import { z } from "zod";
import type { ZodOpenApiResponseObject } from "zod-openapi";
import { success } from "./responses.ts";

/** The data stream, described. */
export const DATA_STREAM =
  `The stream is AI SDK 4's data stream: one part a line, a code and its JSON. A line that is empty \
keeps the connection open and is to be skipped.

- \`f\` begins a step, with the id that the answer's message has in the history.
- \`0\` is a piece of the text, \`g\` of the reasoning; \`j\` is the signature of a reasoning and \`i\` \
a redacted one.
- \`b\`, \`c\` and \`9\` are a tool call that begins, a piece of its arguments, and the whole of it; \
\`a\` is its result.
- \`h\` is a source, \`k\` a file.
- \`e\` ends a step, and \`d\`, once, the answer. \`3\` is an error, before a \`d\` with the finish \
reason \`error\`: whatever fails after the headers comes as a part of the stream.`;

const EXAMPLE = `f:{"messageId":"cc2668f2-b082-4967-a874-361a783dad81"}
0:"A mon"
0:"oid."
e:{"finishReason":"stop","usage":{"promptTokens":14,"completionTokens":4},"isContinued":false}
d:{"finishReason":"stop","usage":{"promptTokens":14,"completionTokens":4}}
`;

/** A run, as it is made. */
export function answerStream(): ZodOpenApiResponseObject {
  return success(
    "The answer, as it is made.",
    { "text/plain": { schema: z.string(), example: EXAMPLE } },
    {
      "Parley-Run-Id": z.uuid().meta({ description: "The id of this answer's making." }),
      "X-Vercel-AI-Data-Stream": z.literal("v1"),
    },
  );
}
