import { z } from "zod";
import type { ZodOpenApiPathsObject } from "zod-openapi";
import { failures, READS, success } from "./responses.ts";

const WATCHING = `Server-sent events, for as long as the client listens. Lines that begin with a \
colon are to be skipped.

- \`chat.created\` and \`chat.renamed\` hold the chat.
- \`chat.deleted\` holds its \`id\`.
- \`run.started\` holds \`chat_id\`, \`run_id\` and \`model\`.
- \`run.ended\` holds \`chat_id\`, \`run_id\` and the run's \`state\`.`;

const EXAMPLE = `: watching

event: run.started
data: {"chat_id":"497f6eca-6276-4993-bfeb-53cbbbba6f08",\
"run_id":"3b66fb66-86ac-47c6-95aa-9ae31d233603","model":"demo"}

`;

const eventSchema = z.looseObject({
  event: z.enum(["chat.created", "chat.renamed", "chat.deleted", "run.started", "run.ended"]),
  data: z.string().meta({ description: "JSON." }),
}).meta({ id: "ChatEvent", description: "One of the server-sent events." });

/** What becomes of one's chats. */
export const watchPaths: ZodOpenApiPathsObject = {
  "/api/v2/chats/watch": {
    get: {
      operationId: "watchChats",
      tags: ["Chats"],
      summary: "Watch one's chats",
      description: WATCHING,
      responses: {
        200: success("The events.", {
          "text/event-stream": { schema: eventSchema, example: EXAMPLE },
        }),
        ...failures(...READS, 429),
      },
    },
  },
};
